//! The rules, one module per subject, one case per rule. The name of a case is the rule.

use futures_util::future::BoxFuture;

use crate::stage::Stage;

mod ack;
mod add;
mod bound;
mod cancel;
mod clock;
mod control;
mod crash;
mod exact;
mod fence;
mod follow;
mod heartbeat;
mod inspect;
mod lease;
mod limit;
mod loss;
mod order;
mod perpetual;
mod race;
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

/// Every case of the suite.
pub fn all() -> Vec<Case> {
    crate::each_case! { @all }
}

/// The list of the cases: the one place that names them all.
#[doc(hidden)]
#[macro_export]
macro_rules! each_case {
    (@tests_of $($subject:ident { $($case:ident)* })*) => {
        $(mod $subject {
            $(#[test]
            fn $case() {
                $crate::run(concat!(stringify!($subject), "::", stringify!($case)), super::conformance_factory());
            })*
        })*
    };
    (@all_of $($subject:ident { $($case:ident)* })*) => {
        vec![$($($crate::Case {
            name: concat!(stringify!($subject), "::", stringify!($case)),
            run: |stage| Box::pin($subject::$case(stage)),
        }),*),*]
    };
    (@tests) => { $crate::each_case! { @list tests_of } };
    (@all) => { $crate::each_case! { @list all_of } };
    (@list $then:ident) => { $crate::each_case! { @$then
        // SUBJECTS, in alphabetical order, each `subject { case case … }`.
    } };
}
