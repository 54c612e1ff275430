//! The reference model: it passes the suite, and every backend answers as it does.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::model::Models;
use conformance_tests::sequence::{Plan, agree};
use conformance_tests::teeth::Fault;
use conformance_tests::{Factory, servers};
use docket_core::{DocketName, TestStore};
use docket_memory::MemoryBackend;
use docket_postgres::PostgresBackend;
use docket_redis::RedisBackend;

/// Where the seeds of failing sequences are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/model.txt");

/// The suite on the model: what fails here is wrong with a case, or with the table.
mod suite {
    conformance_tests::suite!(conformance_tests::model::Models::default());
}

struct Memory;

#[async_trait]
impl Factory for Memory {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        Arc::new(MemoryBackend::new(docket))
    }
}

struct Redis;

#[async_trait]
impl Factory for Redis {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        let url = servers::redis_url().await;
        let backend = RedisBackend::connect(&url, docket, docket_redis::Options::default()).await;
        Arc::new(backend.expect("the test server answers"))
    }
}

struct Postgres;

#[async_trait]
impl Factory for Postgres {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        let url = servers::postgres_url().await;
        let backend = PostgresBackend::connect(&url, docket, docket_postgres::Options::default()).await;
        Arc::new(backend.expect("the test server answers"))
    }
}

#[test]
fn memory_answers_as_the_model() {
    compare(Plan::from_env(2_000, KEPT), &Memory);
}

#[test]
fn redis_answers_as_the_model() {
    compare(Plan::from_env(700, KEPT), &Redis);
}

#[test]
fn postgres_answers_as_the_model() {
    compare(Plan::from_env(400, KEPT), &Postgres);
}

#[expect(clippy::print_stdout, reason = "a seed that nobody sees cannot be played again")]
fn compare(plan: Plan, factory: &dyn Factory) {
    println!("{} sequences, DOCKET_MODEL_SEED={}", plan.cases, plan.seed);
    if let Err(difference) = agree(plan, factory) {
        panic!("{difference}");
    }
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
        Fault::StepsStopTime,
        Fault::TranslatesNoMoment,
        Fault::SettlingMovesTime,
        Fault::SettlesBesideRuns,
        // All workers would have to be silent for longer than their declarations hold, between two of one task.
        Fault::OutageForgetsWhoLives,
    ];
    // What they send is neither wrong nor nothing, nor of a later version, nor too large, too far, or too much for one call.
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
