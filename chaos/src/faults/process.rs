//! SIGKILL; the platform starts the next one at once.

use super::{Stage, Struck};
use crate::Outcome;
use crate::cast::Role;
use crate::plan::{Kind, Planned};

pub(super) async fn kill(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    let role = if planned.kind == Kind::KillAdder { Role::Adder } else { Role::Worker };
    let place = stage.cast.choose(role, planned.target);
    let struck = Struck::only(vec![stage.cast.name(place)]);
    stage.cast.kill(place).await?;
    stage.cast.start(place)?;
    Ok(struck)
}
