//! `docket demo`: plyr.fm's task types, on real audio and over real HTTP, everything in one
//! process.
//!
//! It creates tracks (tones, and one whose audio is lost) and lets an artist and a listener use the
//! service; each action schedules its task on a docket in memory. A worker runs until nothing is
//! left. Then the demo shows the result of each task, and checks every effect in the system where
//! it should be. The outside systems are stand-ins on loopback; the moderation service listens to
//! the audio, and is overloaded at first, so that a retry can be seen.

mod audio;
mod deeds;
mod effects;
mod moderation;
mod pds;
mod peers;
mod progress;
mod serve;
mod stage;
mod summary;
mod tracks;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use docket::{Docket, Registry, Settings, TaskKey};
use docket_tasks::Services;

use crate::end::{End, Outcome};
use crate::output;
use progress::Progress;
use stage::Stage;

/// Whose tracks these are.
const ARTIST: &str = "did:plc:demo";
/// The listener.
const LISTENER: &str = "did:plc:listener";
/// The export's job.
const EXPORT: &str = "demo";
/// What the stand-ins are asked with.
const TOKEN: &str = "demo-token";

/// Runs it; fails if any task did not complete, or has no effect.
pub(crate) async fn run() -> Outcome {
    let folder = folder()?;
    output::line(&format!("making audio in {}", folder.display()))?;
    let stage = Stage::in_folder(folder).await?;
    let docket = Docket::connect("memory://").name("plyr").await?;
    let keys = deeds::happen(&docket, &stage).await?;
    output::line(&format!("added {} tasks to a docket in memory", keys.len()))?;
    output::line("")?;

    let keys = work(&docket, stage.services.clone(), Progress::new(&stage.catalogue, keys)).await?;
    let tasks = summary::print(&docket, &keys, &stage.folder).await?;
    effects::print(&stage, &tasks).await
}

/// Runs a worker until nothing is left, while `progress` is shown; gives the tasks in their order.
async fn work(docket: &Docket, services: Arc<Services>, mut progress: Progress) -> Result<Vec<TaskKey>, End> {
    let mut registry = Registry::new();
    docket_tasks::register(&mut registry)?;
    docket_tasks::register_pds(&mut registry)?;
    let worker = docket.worker().registry(registry).settings(Settings::default()).state(services).build()?;
    let mut working = std::pin::pin!(worker.run_until_finished());
    loop {
        tokio::select! {
            ended = &mut working => {
                ended?;
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(40)) => progress.show(docket).await?,
        }
    }
    progress.show(docket).await?;
    Ok(progress.finish())
}

/// A folder that outlives the demo, so that its archive can be looked at.
fn folder() -> Result<PathBuf, End> {
    let made = || -> std::io::Result<PathBuf> {
        let folder = tempfile::Builder::new().prefix("docket-demo-").tempdir()?.keep();
        std::fs::create_dir(folder.join("audio"))?;
        std::fs::create_dir(folder.join("private"))?;
        Ok(folder)
    };
    made().map_err(|error| End::failed(format!("could not make a temporary folder: {error}")))
}
