//! What the tests of the fallback share.

use docket_core::{
    Answer, Context, DocketName, Error, ErrorKind, Failure, Fallback as _, NewTask, Payload, Policy, TaskName,
};
use docket_core::{Registry, Task};
use serde::{Deserialize, Serialize};

use super::local::Local;

/// A task that any process can run.
#[derive(Serialize, Deserialize)]
struct Quick {}

impl Task for Quick {
    const NAME: &'static str = "quick";
    type Output = ();

    async fn run(self, _ctx: Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// A periodic task.
#[derive(Serialize, Deserialize, Default)]
struct Daily {}

impl Task for Daily {
    const NAME: &'static str = "daily";
    type Output = ();

    fn policy() -> Policy {
        Policy { every: Some(std::time::Duration::from_secs(24 * 3_600)), ..Policy::default() }
    }

    async fn run(self, _ctx: Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// A fallback that knows `quick`, and not `daily`, which its process runs as well.
pub(super) fn local() -> Local {
    let mut registry = Registry::new();
    registry.register::<Quick>().unwrap().periodic::<Daily>().unwrap();
    Local::new(DocketName::default(), registry.without_periodic_tasks())
}

pub(super) fn task(name: &str) -> NewTask {
    NewTask::new(TaskName::new(name).unwrap(), Payload::new("{}"))
}

pub(super) async fn take(local: &Local, task: &NewTask) -> Option<Answer> {
    local.take(task, &Error::new(ErrorKind::Unavailable, "add a task", "the store is away")).await
}
