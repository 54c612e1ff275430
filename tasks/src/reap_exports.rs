//! Exports whose job went quiet: each ends, or goes on.
//!
//! A job is written by the run that works on it, so a job whose task is dead would show
//! "processing" to its owner forever. And a service that died between the commit of a job and the
//! adding of its task leaves a job without a task. Every minute both are looked for: the first
//! fails with the task's error, the task of the second is added.

use std::time::Duration;

use docket_core::{Client, Context, Failure, Fence, Policy, Task, TaskKey, TaskState, TaskView};
use serde::{Deserialize, Serialize};

use crate::export::job::ExportJob;
use crate::run::Run;
use crate::{Job, Services, schedule_export};

/// How long a job is let alone.
const QUIET: Duration = Duration::from_mins(2);
/// Jobs looked at in one run.
const BATCH: usize = 100;

/// Ends or revives quiet exports. Periodic: workers start it by themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReapExports {}

/// The findings of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReapReport {
    /// Jobs that failed, because their task had.
    pub failed: usize,
    /// Jobs whose task was added, because there was none.
    pub added: usize,
}

impl Task for ReapExports {
    const NAME: &'static str = "reap_exports";
    type Output = ReapReport;

    fn policy() -> Policy {
        Policy {
            every: Some(Duration::from_mins(1)),
            // The next slot is the next attempt.
            max_attempts: 1,
            timeout: Duration::from_mins(1),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<ReapReport, Failure> {
        let services = ctx.state::<Services>()?;
        Run::of(&ctx).unless_cancelled(reap(&services, ctx.client())).await
    }
}

async fn reap(services: &Services, client: &Client) -> Result<ReapReport, Failure> {
    let mut report = ReapReport::default();
    for job in services.catalogue.quiet_exports(QUIET, BATCH).await? {
        let key = TaskKey::new(format!("export:{}", job.id))?;
        match client.store().get(&key).await? {
            Some(task) if !task.state.is_finished() => {}
            Some(task) if task.state != TaskState::Completed => {
                fail(services, &job, &task).await?;
                report.failed += 1;
            }
            _ => {
                tracing::warn!(export_id = job.id, "export without a task; adding it");
                schedule_export(client, &job.id, &job.owner_did).await?;
                report.added += 1;
            }
        }
    }
    Ok(report)
}

/// In the name of the task's last run, so that a run after a requeue can take the job up again.
async fn fail(services: &Services, job: &Job, task: &TaskView) -> Result<(), Failure> {
    let fence = task.fence.max(job.fence).unwrap_or(Fence(0));
    let error = match task.state {
        TaskState::Cancelled => "cancelled",
        _ => task.error.as_deref().unwrap_or("it was given up"),
    };
    tracing::warn!(export_id = job.id, error, "export failed without saying so");
    ExportJob::new(services.catalogue.clone(), &job.id, fence).failed(error).await
}
