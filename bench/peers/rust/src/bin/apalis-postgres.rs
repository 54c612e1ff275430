//! apalis on Postgres, woken by notices.

use std::time::Instant;

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use docket_bench_peers::{BATCH, Note, Outcome, Told, run};

async fn note(note: Note) -> Result<(), BoxDynError> {
    run(&note);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let told = Told::read()?;
    let pool = PgPool::connect(&told.url).await?;
    PostgresStorage::setup(&pool).await?;
    let config = Config::default().queue("notes").batch_size(told.concurrency);
    let mut storage = PostgresStorage::new(&pool).with_config(config).with_pubsub();
    let notes = told.notes();
    let start = Instant::now();
    for some in notes.chunks(BATCH) {
        storage.push_bulk(some.to_vec()).await.map_err(|error| error.to_string())?;
    }
    let added = start.elapsed();
    let worker = WorkerBuilder::new("bench")
        .backend(storage)
        .concurrency(told.concurrency)
        .parallelize(tokio::spawn)
        .build(note);
    let began = Instant::now();
    tokio::select! {
        ended = worker.run() => Err(format!("the worker ended before its tasks: {ended:?}").into()),
        told = told.finish(added, began) => told,
    }
}
