//! `docket demo`: plyr.fm's first two tasks on real audio, everything in one process.
//!
//! It makes tracks (tones, and one whose audio is lost), adds one export and one scan per track to a docket in memory,
//! runs a worker until nothing is left, and shows what became of each task. The moderation service is a stand-in that
//! listens to the audio, and that is overloaded at first, so that a retry can be seen.

mod audio;
mod moderation;
mod progress;
mod summary;
mod tracks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use docket::{Docket, Key, Registry, Settings};
use docket_tasks::{Buckets, Job, MemoryCatalogue, Moderation, Secret, Services, Storage};

use crate::end::{End, Outcome};
use crate::output;
use progress::Progress;

/// Whose tracks the demo exports.
const ARTIST: &str = "did:plc:demo";
/// The export's job.
const EXPORT: &str = "demo";
/// What the stand-in is asked with.
const TOKEN: &str = "demo-token";

/// Runs it; fails if any task did not complete.
pub(crate) async fn run() -> Outcome {
    let folder = folder()?;
    output::line(&format!("making audio in {}", folder.display()))?;
    let catalogue = Arc::new(MemoryCatalogue::default());
    let service = moderation::serve(folder.join("audio")).await?;
    let tracks = tracks::make(&folder, &format!("{service}/audio")).await?;

    let docket = Docket::connect("memory://").await?;
    let mut keys = Vec::new();
    catalogue.put_job(Job::pending(EXPORT, ARTIST));
    keys.push(docket_tasks::schedule_export(docket.client(), EXPORT, ARTIST).await?.key);
    for track in tracks {
        if let Some(audio) = &track.audio {
            keys.push(docket_tasks::schedule_copyright_scan(docket.client(), track.id, &audio.file_id).await?.key);
        }
        catalogue.put_track(track);
    }
    output::line(&format!("added {} tasks to a docket in memory\n", keys.len()))?;

    let services = Arc::new(services(&folder, &service, catalogue.clone())?);
    let keys = work(&docket, services, Progress::new(&catalogue, keys)).await?;
    summary::print(&docket, &keys, &folder).await
}

/// Runs a worker until nothing is left, while `progress` is shown; gives the tasks in their order.
async fn work(docket: &Docket, services: Arc<Services>, mut progress: Progress) -> Result<Vec<Key>, End> {
    let mut registry = Registry::new();
    docket_tasks::register(&mut registry)?;
    let worker = docket.worker().registry(registry).settings(Settings::default()).share(services).build()?;
    let stop = worker.stop();
    let signals = tokio::spawn(async move { stop.on_signals().await });
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
    signals.abort();
    progress.show(docket).await?;
    Ok(progress.finish())
}

/// A folder that outlives the demo, so that its archive can be looked at.
fn folder() -> Result<PathBuf, End> {
    let made = || -> std::io::Result<PathBuf> {
        let folder = tempfile::Builder::new().prefix("docket-demo-").tempdir()?.keep();
        std::fs::create_dir(folder.join("audio"))?;
        Ok(folder)
    };
    made().map_err(|error| End::failed(format!("could not make a temporary folder: {error}")))
}

fn services(folder: &Path, service: &str, catalogue: Arc<MemoryCatalogue>) -> docket::Result<Services> {
    let storage = Storage::open(&format!("file://{}", folder.display()), None)?;
    let buckets = Buckets { public: storage.clone(), private: None, exports: storage };
    let moderation = Moderation::new(service, Secret::new(TOKEN), Duration::from_secs(10))?;
    Ok(Services::new(catalogue, buckets, Some(moderation)))
}
