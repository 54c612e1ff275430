//! The reference model: it passes the suite, and every backend answers as it does.

use std::sync::Arc;

use conformance_tests::model::Models;
use conformance_tests::sequence::{Plan, agree};
use conformance_tests::teeth::Fault;

/// The suite on the model: what is wrong here is wrong with a case, or with the table.
mod suite {
    conformance_tests::suite!(conformance_tests::model::Models::default());
}

/// A comparison that never fails compares nothing.
#[test]
fn sequences_find_a_broken_store() {
    for fault in [Fault::ForgetsTheCrash, Fault::FencePerKey, Fault::ReplaysOrTakesFresh, Fault::RepeatKeepsTheCounts] {
        let plan = Plan { cases: 3_000, seed: 1, kept_in: None };
        let difference = agree(plan, Arc::new(Models::with_fault(fault)));
        assert!(difference.is_err(), "{fault:?} was not found");
    }
}
