//! oxanus. It has no call for many jobs: a bulk add is as many adds at once as one batch of ours has tasks.

use std::time::Instant;

use docket_bench_peers::{BATCH, Note, Outcome, Told, run};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Job(Note);

struct Worker;

impl oxanus::Job for Job {
    fn worker_name() -> &'static str {
        "note"
    }
}

impl oxanus::FromContext<()> for Worker {
    fn from_context(_ctx: &()) -> Self {
        Self
    }
}

#[async_trait::async_trait]
impl oxanus::Worker<Job> for Worker {
    type Error = std::io::Error;

    async fn process(&self, job: &Job, _ctx: &oxanus::JobContext) -> Result<(), std::io::Error> {
        run(&job.0);
        Ok(())
    }
}

#[derive(Serialize)]
struct Queue;

impl oxanus::Queue for Queue {
    fn to_config() -> oxanus::QueueConfig {
        oxanus::QueueConfig::as_static("notes")
    }
}

#[tokio::main]
async fn main() -> Outcome {
    let told = Told::read()?;
    let storage = oxanus::Storage::builder().build_from_redis_url(&told.url)?;
    let start = Instant::now();
    for some in told.notes().chunks(BATCH) {
        futures::future::try_join_all(some.iter().map(|note| storage.enqueue(Queue, Job(note.clone())))).await?;
    }
    let added = start.elapsed();
    let config = oxanus::Config::new(&storage)
        .register_queue_with_concurrency::<Queue>(told.concurrency)
        .register_worker::<Worker, Job>();
    let began = Instant::now();
    let running = tokio::spawn(async move { oxanus::run(config, oxanus::ContextValue::new(())).await });
    told.finish(added, began).await?;
    running.abort();
    Ok(())
}
