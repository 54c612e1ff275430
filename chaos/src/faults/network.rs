//! Between the processes and the store: one of the two ways, or both.

use std::time::Duration;

use conformance_tests::proxy::{Held, Proxy, Welcome};

use super::{Stage, Struck};
use crate::Outcome;
use crate::plan::{Kind, Planned};

const SLOW: Duration = Duration::from_millis(150);
const RESETS: u32 = 5;

pub(super) async fn cut(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    let ways: Vec<usize> = match planned.target % 3 {
        2 => (0..stage.proxies.len()).collect(),
        way => vec![way],
    };
    let each = |stage: &Stage, change: &dyn Fn(&Proxy)| ways.iter().for_each(|way| change(&stage.proxies[*way]));
    match planned.kind {
        Kind::Reset => {
            for _ in 0..RESETS {
                each(stage, &Proxy::kill_all);
                stage.wait(planned.lasts / RESETS).await?;
            }
        }
        Kind::Mute => {
            each(stage, &|proxy| {
                proxy.welcome(Welcome::Mute);
                proxy.kill_all();
            });
            stage.wait(planned.lasts).await?;
            // Connections accepted in between are never answered.
            each(stage, &|proxy| proxy.welcome(Welcome::Carry));
        }
        Kind::Hang | Kind::HalfOpen => {
            let held = if planned.kind == Kind::Hang { Held::Both } else { Held::Answers };
            each(stage, &|proxy| proxy.hold(held));
            stage.wait(planned.lasts).await?;
            each(stage, &|proxy| proxy.hold(Held::Nothing));
        }
        _ => {
            each(stage, &|proxy| proxy.delay(SLOW));
            stage.wait(planned.lasts).await?;
            each(stage, &|proxy| proxy.delay(Duration::ZERO));
        }
    }
    Ok(if ways.len() == stage.proxies.len() {
        Struck::all()
    } else {
        Struck::only(ways.iter().flat_map(|way| stage.cast.behind(&stage.proxies[*way].url())).collect())
    })
}
