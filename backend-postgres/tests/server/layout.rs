//! A call of one build on a schema, or a docket, of another.

use conformance_tests::layout::{before, every_write_is_refused};
use conformance_tests::servers::postgres_url;
use docket_core::{ErrorKind, Inspect, Severity};
use docket_postgres::PostgresBackend;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::work::{docket, key, options, task, tell};

/// Every row that a call could have changed, as one number.
async fn contents(url: &str, schema: &str) -> i64 {
    let rows = "SELECT hashtextextended(concat((SELECT string_agg(t::text, '' ORDER BY key) FROM {}.task t), \
                (SELECT string_agg(w::text, '' ORDER BY id) FROM {}.worker w), (SELECT count(*) FROM {}.request)), 0)";
    tell(url, &rows.replace("{}", schema)).await
}

async fn finding(store: &PostgresBackend) -> (Severity, String) {
    let findings = store.examine().await.unwrap();
    let finding = findings.into_iter().find(|finding| finding.subject == "schema").unwrap();
    (finding.severity, finding.found)
}

#[tokio::test]
async fn every_call_compares_the_layout_before_it_writes() {
    let url = postgres_url().await;
    let store = PostgresBackend::connect(&url, docket(), options("layouts")).await.unwrap();
    let was = before(&store).await;
    assert_eq!(finding(&store).await.0, Severity::Ok);
    tell(&url, "UPDATE layouts.meta SET layout = 99").await;
    let rows = contents(&url, "layouts").await;
    every_write_is_refused(&store, &was, ["layout is 99", "reads 3"]).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    let error = store.add_in(&mut tx, &[task("new")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "in the caller's transaction: {error:?}");
    tx.rollback().await.unwrap();
    assert_eq!(contents(&url, "layouts").await, rows, "nothing was changed");
    assert_eq!(finding(&store).await, (Severity::Danger, "layout 99, and this build needs 3".to_owned()));
    assert!(store.get(&key("waiting")).await.unwrap().is_some(), "it can be looked at");
}

/// A newer build migrates while this one runs: its functions know whom they speak to.
#[tokio::test]
async fn a_call_of_an_older_build_on_newer_functions_is_refused() {
    let url = postgres_url().await;
    let store = PostgresBackend::connect(&url, docket(), options("newer_functions")).await.unwrap();
    let was = before(&store).await;
    // As a build of layout 99 would make it.
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let ours = "SELECT pg_get_functiondef('newer_functions.spoken'::regproc)";
    let text: String = sqlx::query_scalar(ours).fetch_one(&mut connection).await.unwrap();
    let newer = text.replace("<> 3 ", "<> 99 ").replace("schema is 3 ", "schema is 99 ");
    assert_eq!(newer.matches("99").count(), 2, "{text}");
    sqlx::raw_sql(AssertSqlSafe(newer)).execute(&mut connection).await.unwrap();
    let rows = contents(&url, "newer_functions").await;
    every_write_is_refused(&store, &was, ["schema is 99", "speaks 3"]).await;
    assert_eq!(contents(&url, "newer_functions").await, rows, "nothing was changed");
}
