//! `docket worker`.

use docket::{Registry, Settings};

use crate::args::{Place, WorkerArgs};
use crate::end::Outcome;
use crate::place::Accept;
use crate::smoke;

/// Runs a worker until it is told to stop, or, if asked, until nothing is left. A first SIGINT or
/// SIGTERM lets running tasks end within the grace period, a second leaves at once.
pub(crate) async fn worker(place: &Place, args: WorkerArgs) -> Outcome {
    let mut settings = Settings::from_env()?;
    if !args.queues.is_empty() {
        settings.queues = args.queues;
    }
    settings.concurrency = args.concurrency.unwrap_or(settings.concurrency);
    settings.timing()?;
    let docket = place.open_shared("worker", Accept::Safe).await?;

    let mut registry = Registry::new();
    smoke::register(&mut registry)?;
    let worker = docket.worker().registry(registry).settings(settings).build()?;

    let end = if args.until_finished { worker.run_until_finished().await } else { worker.run().await };
    Ok(end?)
}
