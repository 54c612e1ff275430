//! Periodic tasks: one record whose ack puts the same key back, so that the chain cannot break.
//! Only a cancel ends it.

use std::time::Duration;

use docket_core::{NewTask, TaskState};

use crate::stage::{Edit, Stage, task};

mod chain;
mod end;
mod failure;

pub(crate) use chain::*;
pub(crate) use end::*;
pub(crate) use failure::*;

const EVERY: Duration = Duration::from_secs(60);

fn chain() -> NewTask {
    task("chain").every(EVERY)
}

/// When the next occurrence is due, from now.
async fn wait_of(stage: &Stage) -> Duration {
    let view = stage.view("chain").await;
    assert_eq!(view.state, TaskState::Scheduled);
    view.visible_at.since(stage.now())
}
