//! Copyright scan: one question to the moderation service, one row per track and audio.
//!
//! A row says clear or flagged only because the service said so. While the service is down the scan
//! is retried for about two hours; when it gives up, or the service refuses, the row says `failed`,
//! which is a state of its own, and the task is dead and can be requeued. An existing verdict is
//! not asked for again: a scan costs money.
//!
//! Telling people of a flag is a task of its own, [`crate::NotifyFlag`], which this one adds when
//! it finds a flag with a missing notice: one it has set, or one that an earlier run set before it
//! died. So a scan that runs twice tells nobody twice.

use std::time::Duration;

use docket_core::{Add, Backoff, Client, Context, Failure, Policy, Receipt, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::Run;
use crate::self_match::self_match;
use crate::{AudioStorage, Scan, ScanAnswer, ScanState, Services, Track, Verdict, schedule_flag_notice};

/// Scans the audio `file_id` of a track.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScanCopyright {
    /// The track.
    pub track_id: i64,
    /// The audio it has when this is added. If it has other audio when this runs, there is nothing to do.
    pub file_id: String,
}

/// The result of a scan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ScanReport {
    /// There is a verdict.
    Scanned {
        /// Clear or flagged.
        state: ScanState,
        /// How many recordings were recognised.
        match_count: usize,
        /// The artist for whom a flag was taken back: the uploader.
        self_match: Option<String>,
    },
    /// The track has other audio by now, which has a scan of its own.
    AudioReplaced,
    /// Nobody scans this.
    Skipped {
        /// Why not.
        reason: String,
    },
}

impl ScanCopyright {
    /// The task about to be added: await it, or send it in the transaction that gives the track its audio. Adding it twice
    /// is harmless.
    pub fn add(client: &Client, track_id: i64, file_id: &str) -> Add {
        client.add(Self { track_id, file_id: file_id.to_owned() }).key(key(track_id, file_id))
    }
}

/// Adds the scan of a track's audio. Adding it twice is harmless.
#[tracing::instrument(name = "scheduled copyright scan via docket", skip_all, fields(track_id = track_id))]
pub async fn schedule_copyright_scan(client: &Client, track_id: i64, file_id: &str) -> docket_core::Result<Receipt> {
    let receipt = ScanCopyright::add(client, track_id, file_id).await?;
    tracing::info!(track_id, "scheduled copyright scan via docket");
    Ok(receipt)
}

impl Task for ScanCopyright {
    const NAME: &'static str = "scan_copyright";
    type Output = ScanReport;

    fn policy() -> Policy {
        Policy {
            max_attempts: 5,
            // 8, 16, 32 and 60 minutes at most: about two hours.
            backoff: Backoff { base: Duration::from_mins(8), max: Duration::from_hours(1) },
            // Longer than the client of the service ever waits, so that its own deadline comes first.
            timeout: Duration::from_mins(6),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<ScanReport, Failure> {
        let services = ctx.state::<Services>()?;
        let report = self.judge(&services, &Run::of(&ctx)).await?;
        if matches!(report, ScanReport::Scanned { state: ScanState::Flagged, .. }) && !self.all_know(&services).await? {
            schedule_flag_notice(ctx.client(), self.track_id, &self.file_id).await?;
        }
        Ok(report)
    }
}

impl ScanCopyright {
    /// One run; if it is the last and fails, it records that in the row.
    pub(crate) async fn judge(&self, services: &Services, run: &Run) -> Result<ScanReport, Failure> {
        let ended = run.unless_cancelled(self.scan(services, run)).await;
        if let Some(error) = ended.as_ref().err().and_then(|failure| run.final_error(failure))
            && let Err(unwritten) = services.catalogue.record_scan(&self.failed(run, &error)).await
        {
            tracing::error!(track_id = self.track_id, error = %unwritten, "failed scan not recorded");
        }
        ended
    }

    /// Whether everybody was told of the flag, so that there is nothing to add.
    async fn all_know(&self, services: &Services) -> Result<bool, Failure> {
        let told = services.catalogue.told(self.track_id, &self.file_id).await?;
        Ok(told.is_none_or(|told| told.event.is_sent && told.message.is_sent))
    }

    async fn scan(&self, services: &Services, run: &Run) -> Result<ScanReport, Failure> {
        let Some(moderation) = &services.moderation else {
            return Ok(skipped("moderation is disabled"));
        };
        let track = services.catalogue.track(self.track_id).await?;
        let track = track.ok_or_else(|| Failure::fatal(format!("there is no track {}", self.track_id)))?;
        if track.audio.as_ref().is_none_or(|audio| audio.file_id != self.file_id) {
            return Ok(ScanReport::AudioReplaced);
        }
        let (Some(url), AudioStorage::Public) = (&track.audio_url, track.storage) else {
            return Ok(skipped("the audio has no public address"));
        };
        let known = services.catalogue.scan(self.track_id, &self.file_id).await?;
        if let Some(scan) = known.filter(|scan| scan.state != ScanState::Failed) {
            return Ok(report(&scan));
        }
        let verdict = moderation.scan(url, &key(self.track_id, &self.file_id)).await?;
        let scan = self.row(run, verdict, &track);
        match services.catalogue.record_scan(&scan).await? {
            ScanAnswer::Recorded | ScanAnswer::VerdictKept => Ok(report(&scan)),
            ScanAnswer::AudioReplaced => Ok(ScanReport::AudioReplaced),
        }
    }

    fn row(&self, run: &Run, verdict: Verdict, track: &Track) -> Scan {
        let Verdict { is_flagged, highest_score, matches, raw_response } = verdict;
        let self_match = if is_flagged { self_match(&matches, track) } else { None };
        let state = if is_flagged && self_match.is_none() { ScanState::Flagged } else { ScanState::Clear };
        Scan { state, highest_score, matches, self_match, raw_response, error: None, ..self.failed(run, "") }
    }

    fn failed(&self, run: &Run, error: &str) -> Scan {
        Scan {
            track_id: self.track_id,
            file_id: self.file_id.clone(),
            state: ScanState::Failed,
            highest_score: 0.0,
            matches: Vec::new(),
            self_match: None,
            raw_response: Value::Null,
            error: Some(error.to_owned()),
            scanned_at: run.leased_at,
        }
    }
}

/// Of the task, and of the scan that is paid for.
fn key(track_id: i64, file_id: &str) -> String {
    format!("scan:{track_id}:{file_id}")
}

fn report(scan: &Scan) -> ScanReport {
    let Scan { state, matches, self_match, .. } = scan;
    ScanReport::Scanned { state: *state, match_count: matches.len(), self_match: self_match.clone() }
}

fn skipped(reason: &str) -> ScanReport {
    ScanReport::Skipped { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
