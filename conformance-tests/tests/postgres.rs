//! The conformance suite on the Postgres backend, with a real server.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::servers;
use docket_conformance::Factory;
use docket_core::{DocketName, TestStore};
use docket_postgres::{Options, PostgresBackend};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The tables of the schema that hold data of a docket, including later ones. `meta` survives a
/// clear: it has the number and the clock. (A table that names a docket as text is for dockets
/// elsewhere.)
const TABLES: &str = "SELECT table_name::text FROM information_schema.columns
  WHERE table_schema = 'docket' AND column_name = 'docket' AND data_type = 'integer'";

struct Postgres;

#[async_trait]
impl Factory for Postgres {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        let url = servers::postgres_url().await;
        let backend = PostgresBackend::connect(&url, docket, Options::default()).await;
        Arc::new(backend.expect("the test server answers"))
    }

    async fn leftovers(&self, docket: &DocketName) -> Vec<String> {
        let connection = PgConnection::connect(&servers::postgres_url().await).await;
        let mut connection = connection.expect("the test server answers");
        let tables: Vec<String> =
            sqlx::query_scalar(TABLES).fetch_all(&mut connection).await.expect("there is a schema");
        assert!(tables.iter().any(|table| table == "task"), "looked in the wrong place: {tables:?}");
        let mut left = Vec::new();
        for table in tables {
            let rows = format!(
                "SELECT '{table}: ' || r::text FROM docket.{table} r JOIN docket.meta m ON m.id = r.docket AND m.name = $1"
            );
            let rows = sqlx::query_scalar(AssertSqlSafe(rows)).bind(docket.as_str()).fetch_all(&mut connection).await;
            left.extend(rows.expect("a table can be read"));
        }
        left
    }
}

docket_conformance::suite!(Postgres);
