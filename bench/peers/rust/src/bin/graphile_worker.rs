//! graphile_worker in its fast mode: a local queue of 500 jobs, and jobs completed in batches.

use std::time::{Duration, Instant};

use docket_bench_peers::{BATCH, Note, Outcome, Told, run};
use graphile_worker::{IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Job(Note);

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "note";

    async fn run(self, _ctx: WorkerContext) -> impl IntoTaskHandlerResult {
        run(&self.0);
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() -> Outcome {
    let told = Told::read()?;
    let worker = WorkerOptions::default()
        .database_url(&told.url)
        .concurrency(told.concurrency)
        .local_queue(LocalQueueConfig::default().with_size(500))
        .complete_job_batch_delay(Duration::from_millis(1))
        .fail_job_batch_delay(Duration::from_millis(1))
        .define_job::<Job>()
        .init()
        .await?;
    let utils = worker.create_utils();
    let spec = JobSpec::default();
    let jobs: Vec<_> = told.notes().into_iter().map(|note| (Job(note), &spec)).collect();
    let start = Instant::now();
    for some in jobs.chunks(BATCH) {
        utils.add_jobs(some).await?;
    }
    let added = start.elapsed();
    let began = Instant::now();
    let running = tokio::spawn(async move { worker.run().await.map_err(|error| error.to_string()) });
    told.finish(added, began).await?;
    running.abort();
    Ok(())
}
