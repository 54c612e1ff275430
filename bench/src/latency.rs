//! How soon a waiting worker starts what is added.

use std::time::{Duration, Instant};

use docket_core::Settings;

use crate::Outcome;
use crate::jobs::Note;
use crate::stage::{Stage, percentile};

/// Long enough for the worker to have settled the last task and to wait again.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) async fn figure(adds: usize) -> Outcome {
    for stage in Stage::each().await? {
        let worker = stage.worker(Settings::default())?;
        let stop = worker.stop();
        let running = tokio::spawn(worker.run());
        let mut waits = Vec::with_capacity(adds);
        for n in 0..=adds {
            tokio::time::sleep(PAUSE).await;
            let key = format!("note-{n}");
            let added = Instant::now();
            stage.client.add(Note::usual()).key(&key).await?;
            let started = stage.starts.of(&key).await;
            // The first opens the connections.
            if n > 0 {
                waits.push(started.saturating_duration_since(added));
            }
        }
        stop.stop();
        running.await??;
        let (p50, p99) = (percentile(&mut waits, 50), percentile(&mut waits, 99));
        println!("{}: add to start over {adds} adds: p50 {p50:.2?}, p99 {p99:.2?}", stage.name);
    }
    Ok(())
}
