//! The rules, one module per subject, one case per rule. The name of a case is the rule.
//!
//! A `pub(crate) async fn rule(stage: Stage)` is a case; `build.rs` lists them.

use futures_util::future::BoxFuture;

use crate::stage::Stage;

mod ack;
mod add;
mod bound;
mod cancel;
mod clock;
mod control;
mod crash;
mod definition;
mod exact;
mod fence;
mod follow;
mod heartbeat;
mod inspect;
mod lease;
mod limit;
mod loss;
mod order;
mod periodic;
mod race;
mod relocate;
mod repeat;
mod requeue;
mod schedule;
mod suspect;
mod unknown;
mod wait;

/// A rule, and how to see whether a backend keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Subject and rule, e.g. `lease::a_live_lease_is_exclusive`.
    pub name: &'static str,
    /// Plays it on an empty docket; panics when the rule is broken.
    pub run: fn(Stage) -> BoxFuture<'static, ()>,
}

/// Declares a vector of all cases.
macro_rules! vector {
    ($($subject:ident { $($case:ident)* })*) => {
        vec![$($(Case {
            name: concat!(stringify!($subject), "::", stringify!($case)),
            run: |stage| Box::pin($subject::$case(stage)),
        }),*),*]
    };
}

/// Every case of the suite.
pub fn all() -> Vec<Case> {
    each_case!(vector)
}
