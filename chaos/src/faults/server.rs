//! Resources that the store itself runs out of.

use super::{Stage, Struck};
use crate::Outcome;
use crate::plan::{Kind, Planned};

/// In seconds: many leases.
const CLOCK_STEP: i64 = 300;

pub(super) async fn stop(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    stage.server.kill();
    if planned.kind == Kind::Stop {
        stage.wait(planned.lasts).await?;
    }
    stage.server.restart().await;
    Ok(Struck::all())
}

pub(super) async fn fill(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    stage.server.set_full(true).await?;
    stage.wait(planned.lasts).await?;
    stage.server.set_full(false).await?;
    Ok(Struck::all())
}

pub(super) async fn bound_connections(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    // From nearly none to about half of their connections.
    stage.server.set_connections(Some(1 + planned.target % 8)).await?;
    stage.wait(planned.lasts).await?;
    stage.server.set_connections(None).await?;
    Ok(Struck::all())
}

pub(super) async fn refuse_writes(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    stage.server.set_read_only(true).await?;
    stage.wait(planned.lasts).await?;
    stage.server.set_read_only(false).await?;
    Ok(Struck::all())
}

/// There and back: one of the two steps goes back.
pub(super) async fn move_clock(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    stage.server.set_clock(if planned.target.is_multiple_of(2) { CLOCK_STEP } else { -CLOCK_STEP });
    stage.wait(planned.lasts).await?;
    stage.server.set_clock(0);
    Ok(Struck::all())
}

pub(super) async fn forget_scripts(stage: &Stage) -> Outcome<Struck> {
    stage.server.forget_scripts().await?;
    Ok(Struck::all())
}
