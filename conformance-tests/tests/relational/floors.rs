//! The floors of lanes, which keep an open transaction from slowing leases down: with and without them, the same answers.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::servers;
use docket_conformance::Factory;
use docket_conformance::sequence::{Plan, agree};
use docket_core::{DocketName, TestStore};
use docket_postgres::{Options, PostgresBackend};
use sqlx::{Connection as _, PgConnection};

/// A schema of this test's own.
const SCHEMA: &str = "floors";
/// Has every look believe that it read much for little, so that it raises every floor that it may.
const RAISE_ALWAYS: [&str; 2] = [
    "CREATE SEQUENCE IF NOT EXISTS floors.reads",
    "CREATE OR REPLACE FUNCTION floors.entries_read() RETURNS bigint LANGUAGE sql VOLATILE AS \
     'SELECT nextval(''floors.reads'') * 1000000'",
];
/// Where the seeds of failing sequences are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/model.txt");

struct Raised;

#[async_trait]
impl Factory for Raised {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        let url = servers::postgres_url().await;
        let options = Options { schema: SCHEMA.to_owned(), ..Options::default() };
        let store = PostgresBackend::connect(&url, docket, options).await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        for statement in RAISE_ALWAYS {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        Arc::new(store)
    }
}

/// A mark above a task would hide it from every lease, and nothing would be worse or quieter. After
/// each sequence the audit looks for one, too.
#[test]
fn lanes_whose_floors_rise_with_every_look_answer_as_the_model() {
    let plan = Plan::from_env(100, KEPT);
    println!("{} sequences, DOCKET_MODEL_SEED={}", plan.cases, plan.seed);
    if let Err(difference) = agree(plan, &Raised) {
        panic!("{difference}");
    }
}
