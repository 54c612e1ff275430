//! The conformance suite on Postgres through a real `PgBouncer` in transaction mode, with four server connections for all
//! cases together.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conformance_tests::servers;
use docket_conformance::Factory;
use docket_core::{DocketName, TestStore};
use docket_postgres::{Options, PostgresBackend};

struct Pooled;

#[async_trait]
impl Factory for Pooled {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        let url = servers::pgbouncer_url().await + "?pgbouncer=true";
        // Some cases measure how soon a waiter is there.
        let options = Options { poll: Duration::from_millis(20), ..Options::default() };
        let backend = PostgresBackend::connect(&url, docket, options).await;
        Arc::new(backend.expect("the test server answers"))
    }
}

docket_conformance::suite!(Pooled);
