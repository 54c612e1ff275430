//! The server dies, and a copy takes over that has not received the last seconds.

use super::{Stage, Struck};
use crate::Outcome;
use crate::plan::Planned;
use crate::time::now;

pub(super) async fn fail_over(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    // Before the copy is cut off: the last time at which it surely had everything.
    let lossy_since = now();
    stage.server.copy().await?;
    stage.wait(planned.lasts).await?;
    let from = now();
    stage.server.fail_over().await?;
    for proxy in stage.proxies.iter().chain(&stage.behind_the_pooler) {
        proxy.lead_to(stage.server.port());
        proxy.kill_all();
    }
    Ok(Struck { processes: None, lossy_since: Some(lossy_since), from: Some(from) })
}
