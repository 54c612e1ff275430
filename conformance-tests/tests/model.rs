//! Every backend answers as the reference model does.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::servers;
use docket_conformance::Factory;
use docket_conformance::sequence::{Plan, agree};
use docket_core::{DocketName, TestStore};
use docket_memory::MemoryBackend;
use docket_postgres::PostgresBackend;
use docket_redis::RedisBackend;

/// Where the seeds of failing sequences are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/model.txt");

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
