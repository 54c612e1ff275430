//! A rolling deploy of half of the fleet to a build with other args, queues and intervals; then back.

use std::time::Duration;

use super::{Stage, Struck};
use crate::Outcome;
use crate::cast::Role;
use crate::plan::Planned;
use crate::roles::Build;

/// The time that a platform gives a process to end.
const GRACE: Duration = Duration::from_secs(10);

pub(super) async fn deploy(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    let halves = [Role::Worker, Role::Adder].map(|role| stage.cast.choose(role, planned.target));
    let mut names: Vec<String> = halves.iter().map(|place| stage.cast.name(*place)).collect();
    for build in [Build::New, Build::Old] {
        for place in halves {
            stage.cast.end(place, GRACE).await?;
            stage.cast.start_as(place, build)?;
        }
        names.extend(halves.iter().map(|place| stage.cast.name(*place)));
        stage.wait(planned.lasts).await?;
    }
    Ok(Struck::only(names))
}
