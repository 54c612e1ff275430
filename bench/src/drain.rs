//! How many tasks go through one worker in a second.

use std::time::{Duration, Instant};

use docket_core::{Key, Name, NewTask, Payload, Settings, Task, limits};

use crate::Outcome;
use crate::jobs::Note;
use crate::stage::Stage;

pub(crate) async fn figure(tasks: usize, concurrency: usize) -> Outcome {
    for stage in Stage::each().await? {
        let args = Payload::new(serde_json::to_vec(&Note::usual())?);
        let all: Vec<NewTask> = (0..tasks)
            .map(|n| {
                Ok(NewTask {
                    key: Key::new(format!("note-{n}"))?,
                    ..NewTask::new(Name::new(Note::NAME)?, args.clone())
                })
            })
            .collect::<docket_core::Result<_>>()?;
        let start = Instant::now();
        for batch in all.chunks(limits::BATCH_ITEMS_MAX) {
            for answer in stage.client.add_all(batch).await? {
                answer?;
            }
        }
        let added = start.elapsed();

        let worker = stage.worker(Settings { concurrency, ..Settings::default() })?;
        let stop = worker.stop();
        let start = Instant::now();
        let running = tokio::spawn(worker.run());
        stage.starts.reach(tasks).await;
        stop.stop();
        // Until the last ack is answered.
        running.await??;
        let drained = start.elapsed();
        let left: u64 = stage.client.store().counts().await?.iter().map(|lane| lane.ready + lane.running).sum();
        if left > 0 {
            return Err(format!("{left} tasks were not settled").into());
        }
        println!(
            "{}: {tasks} tasks: bulk add {:.0}/s; drained at concurrency {concurrency}: {:.0}/s",
            stage.name,
            per_second(tasks, added),
            per_second(tasks, drained)
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
