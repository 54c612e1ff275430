//! What a statement reads: a plan is chosen by each connection anew, from what the server thinks of a table then.

use std::time::Duration;

use conformance_tests::servers;
use docket_core::QueueBackend;
use docket_postgres::PostgresBackend;

use crate::work::{ask, docket, options, task, tell};

const TASKS: usize = 3_000;
const SETTLED: usize = 500;

/// A batch of acks was joined with the table by key. In a connection that had settled nothing before, on a table that was
/// filled a moment ago, that was planned as a look at every task for each ack: 200 ms, and more with each task.
#[tokio::test]
async fn a_batch_of_acks_reads_its_own_tasks_and_no_others() {
    let url = servers::postgres_url().await;
    let store = PostgresBackend::connect(&url, docket(), options("plans")).await.unwrap();
    for batch in 0..TASKS / 1_000 {
        let tasks: Vec<_> = (0..1_000).map(|n| task(&format!("{batch}-{n}"))).collect();
        store.add(&tasks).await.unwrap();
    }
    let mut request = ask("worker", Duration::ZERO);
    request.count = SETTLED;
    assert_eq!(store.lease(&request).await.unwrap().leases.len(), SETTLED);
    let entries = "WITH leased AS (
        SELECT array_agg(key) AS keys, array_agg(fence) AS fences, array_agg(request) AS requests,
          array_agg('completed'::text) AS outcomes, array_agg('now'::text) AS kinds, array_agg(0::bigint) AS zeros,
          array_agg(NULL::bytea) AS contents, array_agg(3::bigint) AS limits
        FROM plans.task WHERE state = 'leased'
      ), acked AS MATERIALIZED (
        SELECT a.answers FROM leased l CROSS JOIN LATERAL plans.ack(
          'tests', l.keys, l.fences, l.requests, l.outcomes, l.kinds, l.zeros, l.contents, l.limits, l.limits
        ) a
      )
      SELECT pg_stat_get_xact_tuples_returned('plans.task_pkey'::regclass) FROM acked WHERE 'settled' = ALL (answers)";
    let entries = usize::try_from(tell(&url, entries).await).unwrap();
    // As it was added, and as it was leased.
    assert!((SETTLED..=2 * SETTLED).contains(&entries), "{entries} entries were read");
}
