//! The reference model: it passes the suite, and generated sequences tell broken stores from it.

use docket_conformance::model::Models;
use docket_conformance::sequence::{Plan, agree};
use docket_conformance::teeth::Fault;

/// The suite on the model: a failure here is a mistake in a case, or in the table.
mod suite {
    docket_conformance::suite!(docket_conformance::model::Models::default());
}

/// A comparison that never fails compares nothing.
#[test]
fn sequences_find_a_broken_store() {
    // Sequences neither wait nor join nor examine nor settle a clock, and use one docket and a set clock that only goes on.
    let elsewhere = [
        Fault::ForgetsTheWakeUp,
        Fault::Polls,
        Fault::ClockWakesNobody,
        Fault::ClockStandsStill,
        Fault::EnvironmentsMix,
        Fault::JoiningEmptiesTheDocket,
        Fault::LosesTasksBySetting,
        Fault::DocketsMeet,
        // Fences are compared by their order alone.
        Fault::FencesOnlyCount,
        // In the docket that it came from, a parcel nearly always meets the record of its key.
        Fault::TurnsAwayOnce,
        Fault::CountsTheWait,
        Fault::OneWaiterWatches,
        Fault::StepsStopTime,
        Fault::TranslatesNoMoment,
        Fault::SettlingMovesTime,
        Fault::SettlesBesideRuns,
        // All workers would have to be silent for longer than their declarations hold, between two of one task.
        Fault::OutageForgetsWhoLives,
    ];
    // Their requests are neither wrong nor empty, nor of a later version, nor too large, too far,
    // or too much for one call.
    let unsent = [
        Fault::StrangeCursorStartsOver,
        Fault::ZeroMeansInfinite,
        Fault::RefusesAnEmptyBatch,
        Fault::OversizedItemSpoilsTheBatch,
        Fault::BoundsByNumberAlone,
        Fault::SweepsWithoutBound,
        Fault::TrimsWithoutBound,
        Fault::TrimsOneCallsWorth,
        Fault::CutsFarTimes,
        Fault::GuessesAtNewOutcomes,
        Fault::TakesAnyNumberOfLanes,
    ];
    let unseen: Vec<Fault> = [&elsewhere[..], &unsent[..]].concat();
    let missed: Vec<Fault> =
        Fault::ALL.iter().copied().filter(|fault| !unseen.contains(fault) && !found(*fault)).collect();
    assert_eq!(missed, [], "no sequence shows these");
}

fn found(fault: Fault) -> bool {
    let plan = Plan { cases: 5_000, seed: 1, kept_in: None };
    agree(plan, &Models::with_fault(fault)).is_err()
}
