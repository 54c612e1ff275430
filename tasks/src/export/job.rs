//! The job row of one export, as a user watches it.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Failure, Fence};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::process_export::ExportReport;
use crate::{Catalogue, Job, JobAnswer, JobState, JobUpdate};

/// The shortest time between two writes of progress inside one track.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Writes to the job in the name of one run.
#[derive(Debug)]
pub(crate) struct ExportJob {
    catalogue: Arc<dyn Catalogue>,
    id: String,
    fence: Fence,
    written: Option<Instant>,
}

impl ExportJob {
    pub(crate) fn new(catalogue: Arc<dyn Catalogue>, id: &str, fence: Fence) -> Self {
        Self { catalogue, id: id.to_owned(), fence, written: None }
    }

    /// Begins, or gives the report of the run before that completed it but was not acknowledged.
    pub(crate) async fn begin(&self, artist_did: &str) -> Result<Option<ExportReport>, Failure> {
        let job = self.catalogue.job(&self.id).await?;
        let Some(Job { owner_did, state, result, .. }) = job else {
            return Err(Failure::fatal(format!("there is no job {}", self.id)));
        };
        if owner_did != artist_did {
            return Err(Failure::fatal(format!("job {} belongs to {owner_did}, not to {artist_did}", self.id)));
        }
        if state == JobState::Completed {
            let report = serde_json::from_value(Value::Object(result));
            return report.map(Some).map_err(|e| Failure::fatal(format!("the job's result does not decode: {e}")));
        }
        self.write(step(JobState::Processing, "collecting tracks").at(0)).await?;
        Ok(None)
    }

    /// `done` of `total` tracks are in the archive or known to be missing.
    pub(crate) async fn tracks(&mut self, done: usize, total: usize) -> Result<(), Failure> {
        self.written = Some(Instant::now());
        let counts = [("processed_count", done), ("total_count", total)];
        let counts = counts.map(|(name, count)| (name.to_owned(), count.into()));
        let update = step(JobState::Processing, format!("exporting: {done} of {total} tracks"));
        self.write(update.at(percent(done, total, 0, 1)).with(Map::from_iter(counts))).await
    }

    /// `sent` of `bytes` of the next track are in the archive. Written at most once a second.
    pub(crate) async fn bytes(&mut self, done: usize, total: usize, sent: u64, bytes: u64) -> Result<(), Failure> {
        if self.written.is_some_and(|written| written.elapsed() < PROGRESS_EVERY) {
            return Ok(());
        }
        self.written = Some(Instant::now());
        let update = step(JobState::Processing, format!("exporting: {done} of {total} tracks"));
        self.write(update.at(percent(done, total, sent, bytes))).await
    }

    pub(crate) async fn completed(&self, report: &ExportReport) -> Result<(), Failure> {
        let Ok(Value::Object(result)) = serde_json::to_value(report) else {
            return Err(Failure::fatal("the report does not encode as JSON"));
        };
        let message = format!("exported {} of {} tracks", report.processed_count, report.total_count);
        self.write(step(JobState::Completed, message).at(100).with(result)).await
    }

    pub(crate) async fn failed(&self, error: &str) -> Result<(), Failure> {
        let update = JobUpdate { error: Some(error.to_owned()), ..step(JobState::Failed, "the export failed") };
        self.write(update).await
    }

    pub(crate) async fn interrupted(&self, message: &str) -> Result<(), Failure> {
        self.write(step(JobState::Processing, message)).await
    }

    async fn write(&self, update: JobUpdate) -> Result<(), Failure> {
        match self.catalogue.update_job(&self.id, self.fence, update).await? {
            JobAnswer::Updated => Ok(()),
            JobAnswer::NotFound => Err(Failure::fatal(format!("there is no job {} any more", self.id))),
            // The next run, if one comes, finds the report.
            JobAnswer::Completed | JobAnswer::Superseded => {
                Err(Failure::retry(format!("a later run has job {}: this one lost its lease", self.id)))
            }
        }
    }
}

fn step(state: JobState, message: impl Into<String>) -> JobUpdate {
    JobUpdate { state, message: message.into(), progress_pct: None, result: None, error: None }
}

impl JobUpdate {
    fn at(self, progress_pct: u8) -> Self {
        Self { progress_pct: Some(progress_pct), ..self }
    }

    fn with(self, result: Map<String, Value>) -> Self {
        Self { result: Some(result), ..self }
    }
}

/// Each track counts alike; `sent` of `bytes` is the part of the next one.
fn percent(done: usize, total: usize, sent: u64, bytes: u64) -> u8 {
    let share = |part: u64, whole: u64| u128::from(part) * 10_000 / u128::from(whole.max(1));
    let basis = done as u128 * 10_000 + share(sent.min(bytes), bytes);
    u8::try_from(basis / (total.max(1) as u128 * 100)).unwrap_or(100).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_counts_tracks_and_the_part_of_the_next() {
        assert_eq!(percent(0, 4, 0, 10), 0);
        assert_eq!(percent(1, 4, 5, 10), 37);
        assert_eq!(percent(4, 4, 0, 1), 100);
        assert_eq!(percent(0, 0, 0, 0), 0);
        assert_eq!(percent(3, 4, u64::MAX, u64::MAX), 100);
    }
}
