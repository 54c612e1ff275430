//! Copyright resolutions: flags that moderators took back are taken back here, every five minutes.
//!
//! A flag goes only because the labeler said so, and only for a label younger than the scan: one
//! that was taken back before the audio was replaced and flagged anew stays. While the labeler is
//! down nothing changes, the slot fails, and the third failure in a row is an alarm in the log.

use std::collections::HashMap;
use std::time::Duration;

use docket_core::{Context, Failure, Policy, Task, Verdict};
use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::{Flagged, Labeler, Services};

/// Flags asked about in one call.
const BATCH: usize = 250;
/// Failed slots in a row from which on it is an alarm.
const FAILURES_ALARMING: u32 = 3;

/// Takes back the flags that moderators took back. Periodic: workers start it by themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SyncCopyrightResolutions {}

/// The findings of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ResolutionsReport {
    /// Flags looked at.
    pub flagged: usize,
    /// Flags taken back.
    pub resolved: usize,
}

impl Task for SyncCopyrightResolutions {
    const NAME: &'static str = "sync_copyright_resolutions";
    type Output = ResolutionsReport;

    fn policy() -> Policy {
        Policy {
            every: Some(Duration::from_mins(5)),
            // The next slot is the next attempt.
            max_attempts: 1,
            timeout: Duration::from_mins(1),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<ResolutionsReport, Failure> {
        let services = ctx.state::<Services>()?;
        let run = Run::of(&ctx);
        let ended = run.unless_cancelled(sync(&services)).await;
        if ended.as_ref().is_err_and(|failure| failure.verdict() != Verdict::Cancelled) {
            alarm(&ctx).await;
        }
        ended
    }
}

pub(crate) async fn sync(services: &Services) -> Result<ResolutionsReport, Failure> {
    let mut report = ResolutionsReport::default();
    let Some(labeler) = &services.labeler else {
        tracing::debug!("moderation is disabled: no flags are taken back");
        return Ok(report);
    };
    let mut after = None;
    loop {
        let flags = services.catalogue.flagged(after, BATCH).await?;
        let Some(last) = flags.last() else { break };
        after = Some(last.id);
        report.flagged += flags.len();
        let negated = negated(labeler, flags).await?;
        if !negated.is_empty() {
            report.resolved += services.catalogue.take_back(&negated).await?;
        }
    }
    if report.resolved > 0 {
        tracing::info!("sync_copyright_resolutions: resolved {} scans", report.resolved);
    }
    Ok(report)
}

/// The `flags` that were taken back after the scan.
async fn negated(labeler: &Labeler, mut flags: Vec<Flagged>) -> Result<Vec<Flagged>, Failure> {
    let uris: Vec<&str> = flags.iter().map(|flag| flag.uri.as_str()).collect();
    let negations: HashMap<_, _> = labeler.negations(&uris).await?;
    flags.retain(|flag| negations.get(&flag.uri).is_some_and(|at| *at > flag.scanned_at));
    Ok(flags)
}

/// Says it loudly once slots have failed in a row. Best effort: the failure itself is kept and logged by the worker.
async fn alarm(ctx: &Context) {
    let Ok(Some(task)) = ctx.client().store().get(ctx.key()).await else { return };
    let failures = task.failures + 1;
    if failures >= FAILURES_ALARMING {
        tracing::error!(failures, "copyright resolutions have not been synced for {failures} slots in a row");
    }
}

#[cfg(test)]
mod tests;
