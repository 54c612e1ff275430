//! Media export: all audio of an artist, in one archive.
//!
//! Audio streams from object storage through a ZIP of stored entries into the parts of one upload:
//! in memory are [`crate::PARTS_IN_FLIGHT_MAX`] parts of [`crate::PART_BYTES`] and the one being
//! filled, nothing is on disk. A track that is missing in storage is left out and named, in the
//! archive's `MANIFEST.txt` and in the report; storage that is down fails the attempt instead, so
//! that an outage never passes for a small archive.
//!
//! The job row follows: it is completed only once the archive is whole and visible, and a completed
//! job stays so. A worker that dies in between leaves nothing visible; the next run starts over and
//! replaces the same object.

use std::time::Duration;

use docket_core::{Add, Backoff, Client, Context, Failure, Policy, Queue, Receipt, Task, Verdict};
use futures_util::TryFutureExt;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::export::archive::Archive;
use crate::export::entries::Entries;
use crate::export::job::ExportJob;
use crate::export::manifest::Manifest;
use crate::run::Run;
use crate::{Missing, Services};

/// One run may take this long; the policy's timeout is a little longer, so that the job row can still be written.
const RUN_MAX: Duration = Duration::from_hours(2);
/// When to come back if [`crate::EXPORTS_MAX`] exports run already.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Missing tracks that the report names; the manifest names all.
const MISSING_SHOWN_MAX: usize = 100;

/// Puts all audio of an artist into `exports/{export_id}.zip`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessExport {
    /// The job's id, and the archive's name.
    pub export_id: String,
    /// Whose tracks.
    pub artist_did: String,
}

/// The result of an export.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExportReport {
    /// Where the archive is, for people.
    pub archive: String,
    /// Its key in the export bucket, for [`crate::Storage::download_url`].
    pub archive_key: String,
    /// Its size.
    pub bytes: u64,
    /// Tracks in it.
    pub processed_count: usize,
    /// Tracks the artist has.
    pub total_count: usize,
    /// Tracks that are not in it, the first hundred.
    pub missing: Vec<Missing>,
}

impl ProcessExport {
    /// The task about to be added: await it, or send it in the transaction that makes the job. Adding it twice is harmless.
    pub fn add(client: &Client, export_id: &str, artist_did: &str) -> Add {
        let task = Self { export_id: export_id.to_owned(), artist_did: artist_did.to_owned() };
        client.add(task).key(format!("export:{export_id}"))
    }
}

/// Adds the export of job `export_id`; the job row must be there already. Adding it twice is harmless.
#[tracing::instrument(name = "scheduled export via docket", skip_all, fields(export_id = export_id))]
pub async fn schedule_export(client: &Client, export_id: &str, artist_did: &str) -> docket_core::Result<Receipt> {
    let receipt = ProcessExport::add(client, export_id, artist_did).await?;
    tracing::info!(export_id, "scheduled export via docket");
    Ok(receipt)
}

impl Task for ProcessExport {
    const NAME: &'static str = "process_export";
    type Output = ExportReport;

    fn policy() -> Policy {
        Policy {
            max_attempts: 3,
            backoff: Backoff { base: Duration::from_mins(1), max: Duration::from_mins(10) },
            timeout: RUN_MAX + Duration::from_mins(1),
            // A queue of its own, so that workers can be reserved for it and likes need not wait.
            queue: Queue::from_static("exports"),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<ExportReport, Failure> {
        let services = ctx.state::<Services>()?;
        let Ok(_permit) = services.exports.try_acquire() else {
            return Err(Failure::snooze(BUSY_WAIT));
        };
        let run = Run::of(&ctx);
        let ended = Box::pin(self.export(&services, &run)).await;
        if ended.as_ref().is_err_and(|failure| failure.verdict() == Verdict::Cancelled) && was_cancelled(&ctx).await {
            note(ExportJob::new(services.catalogue.clone(), &self.export_id, run.fence).failed("cancelled").await);
        }
        ended
    }
}

impl ProcessExport {
    /// One run, with its result written to the job.
    pub(crate) async fn export(&self, services: &Services, run: &Run) -> Result<ExportReport, Failure> {
        let mut job = ExportJob::new(services.catalogue.clone(), &self.export_id, run.fence);
        let ended = match job.begin(&self.artist_did).await {
            Ok(Some(report)) => return Ok(report),
            Ok(None) => tokio::time::timeout(RUN_MAX, Box::pin(self.collect(services, run, &mut job))).await,
            // The job does not exist, or is not ours.
            Err(failure) if failure.verdict() == Verdict::Fatal => return Err(failure),
            Err(failure) => Ok(Err(failure)),
        };
        let ended = ended.unwrap_or_else(|_| Err(Failure::retry("took longer than two hours")));
        let written = match &ended {
            Ok(report) => return job.completed(report).await.and(ended),
            Err(failure) => match run.final_error(failure) {
                Some(error) => job.failed(&error).await,
                None => job.interrupted("interrupted; it will be tried again").await,
            },
        };
        note(written);
        ended
    }

    /// Streams the archive; any failure deletes the upload.
    async fn collect(&self, services: &Services, run: &Run, job: &mut ExportJob) -> Result<ExportReport, Failure> {
        let tracks = services.catalogue.tracks_of(&self.artist_did).await?;
        if tracks.is_empty() {
            return Err(Failure::fatal(format!("{} has no tracks", self.artist_did)));
        }
        let key = self.archive_key()?;
        let exports = &services.buckets.exports;
        let filename = format!("plyr-tracks-{}.zip", day(run));
        let upload = exports.upload(&key, "application/zip", &filename).await?;
        let mut archive = Archive::new(upload);
        let entries = Entries::new(&mut archive, &services.buckets, job);
        let written = run.unless_cancelled(entries.write(&tracks, run.leased_at)).await.and_then(not_empty);
        let manifest = match written {
            Ok(manifest) => manifest,
            Err(failure) => {
                archive.abort().await;
                return Err(failure);
            }
        };
        let bytes = run.unless_cancelled(archive.finish().map_err(Failure::from)).await?;
        let processed_count = manifest.added_count();
        let mut missing = manifest.into_missing();
        missing.truncate(MISSING_SHOWN_MAX);
        let (archive, total_count) = (exports.address(&key), tracks.len());
        Ok(ExportReport { archive, archive_key: key, bytes, processed_count, total_count, missing })
    }

    fn archive_key(&self) -> Result<String, Failure> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.export_id.is_empty() || !self.export_id.chars().all(plain) {
            return Err(Failure::fatal(format!("invalid export id {:?}: letters, digits, - and _", self.export_id)));
        }
        Ok(format!("exports/{}.zip", self.export_id))
    }
}

/// An archive without a single track would pass for a success.
fn not_empty(manifest: Manifest) -> Result<Manifest, Failure> {
    if manifest.added_count() == 0 {
        return Err(Failure::fatal(format!("no track could be exported: {}", manifest.reasons())));
    }
    Ok(manifest)
}

/// The day of the run by the store's clock, in UTC.
fn day(run: &Run) -> String {
    let moment = jiff::Timestamp::from_microsecond(run.leased_at.as_micros());
    moment.map_or_else(|_| "export".to_owned(), |moment| Offset::UTC.to_datetime(moment).date().to_string())
}

/// Whether an operator stopped it, as opposed to a shutdown or a lost lease, after which it runs again.
async fn was_cancelled(ctx: &Context) -> bool {
    let shown = ctx.client().store().get(ctx.key()).await;
    matches!(shown, Ok(Some(task)) if task.cancelling)
}

/// Safe to lose: the outcome of the run does not depend on the row, and the next run writes it again.
fn note(written: Result<(), Failure>) {
    if let Err(failure) = written {
        tracing::warn!(?failure, "job row not written");
    }
}

#[cfg(test)]
mod tests;
