//! I6 Idempotent: any call repeated after a lost reply has the effect and the answer of calling once, also when much
//! has happened in between.

use crate::stage::Stage;

mod ack;
mod add;
mod control;
mod lease;

pub(crate) use ack::*;
pub(crate) use add::*;
pub(crate) use control::*;
pub(crate) use lease::*;

/// Lives once more under this key, by another adder, to its end.
async fn another_life(stage: &Stage, name: &str) {
    let lease = stage.running(name).await;
    stage.complete(&lease).await;
}
