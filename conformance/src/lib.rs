//! The conformance suite: what every backend of Docket must do, as cases by name.
//!
//! A backend is a [`docket_core::Store`] that passes. It hands the suite a [`Factory`] of stores whose clock can be set
//! ([`docket_core::TestStore`]) and gets one test per case, named after the rule it protects; `docs/write-a-backend.md`
//! shows the way there. This is the whole of a backend's `tests/conformance.rs`, here with the reference model:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use docket_conformance::{Factory, model::ModelStore};
//! use docket_core::{DocketName, TestStore};
//!
//! struct Mine;
//!
//! #[async_trait]
//! impl Factory for Mine {
//!     async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
//!         Arc::new(ModelStore::new(docket, None))
//!     }
//! }
//!
//! docket_conformance::suite!(Mine); // test lease::a_live_lease_is_exclusive ... ok
//! # fn main() { docket_conformance::run("lease::a_live_lease_is_exclusive", Mine); }
//! ```
//!
//! Each case runs on the bare store, on a docket of its own, with a clock that stops unless it is moved. After
//! each, [`docket_core::Inspect::audit`] must find records and indexes in agreement (I7), and nothing of the docket may
//! be left once it has been cleared.
//!
//! * [`cases`]: the rules, one module per subject.
//! * [`stage`]: what a case may use.
//! * [`runner`]: how one case is run, and what is checked after it.
//! * [`model`]: the table as a program; [`sequence`]: generated calls on which a backend must answer as it does.
//! * [`teeth`]: broken stores, which the suite must fail.

// The macro `each_case!`, which names all cases.
include!(concat!(env!("OUT_DIR"), "/each_case.rs"));

pub mod cases;
pub mod model;
pub mod runner;
pub mod sequence;
pub mod stage;
pub mod teeth;

pub use cases::{Case, all};
pub use runner::{Factory, run, run_case};
pub use stage::Stage;

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Declares one test per case, in a module per subject, on the stores of the [`Factory`] that `$factory` makes, once for
/// each test. To be called at most once in a module, of a test target of your own.
#[macro_export]
macro_rules! suite {
    ($factory:expr) => {
        fn conformance_factory() -> impl $crate::Factory {
            $factory
        }
        $crate::each_case!($crate::tests);
    };
}

/// Declares a test per case. What [`suite!`] expands to.
#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    ($($subject:ident { $($case:ident)* })*) => {
        $(mod $subject {
            $(#[test]
            fn $case() {
                $crate::run(concat!(stringify!($subject), "::", stringify!($case)), super::conformance_factory());
            })*
        })*
    };
}
