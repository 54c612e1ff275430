//! The rows of an outbox: all or nothing with the caller's data, in the order of the commits, and what a relay is given.
//!
//! What relays make of them is tested with real queues, in `docket/tests/outbox`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::{PostgresServer, postgres_url};
use docket_core::{
    Capabilities, Control, DocketName, ErrorKind, Inspect, NewTask, Payload, QueueBackend, Severity, TaskKey, TaskName,
    Verb,
};
use docket_memory::MemoryBackend;
use docket_postgres::{Options, Outbox, OutboxCounts};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Transaction};
use tokio::time::timeout;

/// A docket in memory with an outbox in a schema of its own, and the service's pool on the same database.
struct Service {
    outbox: Outbox,
    pool: PgPool,
    schema: &'static str,
}

fn docket() -> DocketName {
    DocketName::new("tests").unwrap()
}

async fn service(schema: &'static str) -> Service {
    let url = postgres_url().await;
    let options = Options { schema: schema.to_owned(), ..Options::default() };
    let queue = Arc::new(MemoryBackend::new(docket()));
    let outbox = Outbox::connect(queue, &url, options).await.unwrap();
    Service { outbox, pool: PgPool::connect(&url).await.unwrap(), schema }
}

fn task(key: &str) -> NewTask {
    NewTask { key: TaskKey::new(key).unwrap(), ..NewTask::new(TaskName::new("work").unwrap(), Payload::new("{}")) }
}

impl Service {
    async fn put(&self, tx: &mut Transaction<'_, Postgres>, key: &str) {
        for answer in self.outbox.put_in(tx, Verb::Add, &[task(key)]).await.unwrap() {
            answer.unwrap();
        }
    }

    async fn put_and_commit(&self, key: &str) {
        let mut tx = self.pool.begin().await.unwrap();
        self.put(&mut tx, key).await;
        tx.commit().await.unwrap();
    }

    async fn counts(&self) -> OutboxCounts {
        self.outbox.row_counts().await.unwrap()
    }

    async fn rows(&self, sql: &str) -> Vec<PgRow> {
        let sql = sql.replace("docket.", &format!("{}.", self.schema));
        sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.pool).await.unwrap()
    }

    /// What a relay would be given now.
    async fn taken(&self, count: i64) -> Vec<(String, String)> {
        let rows = self.rows(&format!("SELECT key, verb FROM docket.outbox_take('tests', {count}, 100)")).await;
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn taken_keys(&self, count: i64) -> Vec<String> {
        self.taken(count).await.into_iter().map(|(key, _)| key).collect()
    }
}

#[tokio::test]
async fn a_row_is_there_at_the_commit_and_not_before_and_not_after_a_rollback() {
    let service = service("outbox_commit").await;
    let mut tx = service.pool.begin().await.unwrap();
    service.put(&mut tx, "a").await;
    assert_eq!(service.counts().await.waiting, 0);
    tx.commit().await.unwrap();
    let counts = service.counts().await;
    assert!(counts.waiting == 1 && counts.oldest.unwrap() < Duration::from_secs(10), "{counts:?}");
    let mut tx = service.pool.begin().await.unwrap();
    service.put(&mut tx, "b").await;
    tx.rollback().await.unwrap();
    assert_eq!(service.taken_keys(10).await, ["a"]);
}

/// The first brings the key, the second waits for it; were it not for that, the second, which commits first, would have
/// the later number.
#[tokio::test]
async fn rows_of_one_key_are_in_the_order_of_their_commits() {
    let service = service("outbox_order").await;
    let mut first = service.pool.begin().await.unwrap();
    service.put(&mut first, "key").await;
    let mut second = service.pool.begin().await.unwrap();
    let brought = [NewTask { name: TaskName::new("second").unwrap(), ..task("key") }];
    {
        let mut waits = std::pin::pin!(service.outbox.put_in(&mut second, Verb::Add, &brought));
        assert!(
            timeout(Duration::from_millis(300), &mut waits).await.is_err(),
            "the first has the key until it commits"
        );
        service.put_and_commit("another").await;
        first.commit().await.unwrap();
        timeout(Duration::from_secs(5), waits).await.unwrap().unwrap();
    }
    second.commit().await.unwrap();
    let names = service.rows("SELECT name FROM docket.outbox WHERE key = 'key' ORDER BY id").await;
    assert_eq!(names.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["work", "second"]);
}

#[tokio::test]
async fn a_relay_is_given_the_oldest_row_of_each_key_within_the_limits() {
    let service = service("outbox_take").await;
    for key in ["a", "b", "a", "c"] {
        service.put_and_commit(key).await;
    }
    assert_eq!(service.taken_keys(1_000).await, ["a", "b", "c"]);
    assert_eq!(service.taken_keys(2).await, ["a", "b"]);
    // 100 bytes are the limit here; one row comes whatever it weighs.
    let heavy = |key| NewTask { args: Payload::new(vec![b' '; 99]), ..task(key) };
    let mut tx = service.pool.begin().await.unwrap();
    service.outbox.put_in(&mut tx, Verb::Schedule, &[heavy("d"), heavy("e")]).await.unwrap();
    tx.commit().await.unwrap();
    service.rows("DELETE FROM docket.outbox WHERE key IN ('a', 'b', 'c')").await;
    assert_eq!(service.taken(1_000).await, [("d".to_owned(), "schedule".to_owned())]);
}

#[tokio::test]
async fn one_relay_at_a_time() {
    let service = service("outbox_relays").await;
    service.put_and_commit("a").await;
    let mut tx = service.pool.begin().await.unwrap();
    let take = "SELECT key FROM outbox_relays.outbox_take('tests', 10, 100)";
    assert_eq!(sqlx::query(take).fetch_all(&mut *tx).await.unwrap().len(), 1);
    assert!(service.taken_keys(10).await.is_empty(), "another has them");
    tx.rollback().await.unwrap();
    assert_eq!(service.taken_keys(10).await, ["a"]);
}

#[tokio::test]
async fn what_no_queue_may_take_is_refused_alone_and_at_once() {
    let service = service("outbox_refused").await;
    let never = NewTask { every: Some(Duration::ZERO), ..task("never") };
    let large = NewTask { args: Payload::new(vec![b' '; (1 << 20) + 1]), ..task("large") };
    let mut tx = service.pool.begin().await.unwrap();
    let answers = service.outbox.put_in(&mut tx, Verb::Add, &[never, task("a"), large]).await.unwrap();
    tx.commit().await.unwrap();
    let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(docket_core::Error::kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::Invalid), None, Some(ErrorKind::TooLarge)]);
    assert_eq!(service.taken_keys(10).await, ["a"]);
}

#[tokio::test]
async fn a_refused_row_is_kept_shown_and_can_wait_again() {
    let service = service("outbox_kept").await;
    for key in ["a", "b"] {
        service.put_and_commit(key).await;
    }
    let refuse =
        "SELECT docket.outbox_settle('{}', ARRAY(SELECT id FROM docket.outbox WHERE key = 'a'), '{no}', '{true}')";
    service.rows(refuse).await;
    assert_eq!(service.taken_keys(10).await, ["b"]);
    let counts = service.counts().await;
    let row = counts.latest_refused.unwrap();
    assert_eq!((counts.waiting, counts.refused, row.key.as_str(), row.error.as_str()), (1, 1, "a", "no"));
    let findings = service.outbox.examine().await.unwrap();
    let finding = findings.iter().find(|finding| finding.subject == "outbox").unwrap();
    assert!(finding.severity == Severity::Warning && finding.found.contains("key a"), "{finding:?}");
    assert_eq!(service.outbox.retry_refused().await.unwrap(), 1);
    assert_eq!(service.taken_keys(10).await, ["a", "b"]);
}

/// The last schedule counts, whatever was refused before it and is let wait again after it.
#[tokio::test]
async fn a_refused_schedule_never_goes_over_a_newer_one() {
    let service = service("outbox_overtaken").await;
    let put = async |verb, key| {
        let mut tx = service.pool.begin().await.unwrap();
        service.outbox.put_in(&mut tx, verb, &[task(key)]).await.unwrap().remove(0).unwrap();
        tx.commit().await.unwrap();
    };
    for key in ["a", "b", "c"] {
        put(Verb::Schedule, key).await;
    }
    service
        .rows(
            "SELECT docket.outbox_settle('{}', ARRAY(SELECT id FROM docket.outbox), '{no,no,no}', '{true,true,true}')",
        )
        .await;
    // A newer schedule of `a` arrives; of `b` only an add does, which leaves a task as it is.
    put(Verb::Schedule, "a").await;
    put(Verb::Add, "b").await;
    let arrive =
        "SELECT docket.outbox_settle(ARRAY(SELECT id FROM docket.outbox WHERE refused_at IS NULL), '{}', '{}', '{}')";
    service.rows(arrive).await;
    assert_eq!(service.counts().await.refused, 3, "an operator still sees them");
    assert_eq!(service.outbox.retry_refused().await.unwrap(), 2);
    assert_eq!(service.taken_keys(10).await, ["b", "c"]);
    // Let wait again while a newer one is on its way.
    put(Verb::Schedule, "c").await;
    service
        .rows("SELECT docket.outbox_settle(ARRAY(SELECT max(id) FROM docket.outbox WHERE key = 'c'), '{}', '{}', '{}')")
        .await;
    assert_eq!(service.taken_keys(10).await, ["b"]);
    assert_eq!(service.outbox.retry_refused().await.unwrap(), 0);
    assert_eq!(service.counts().await.refused, 0);
}

#[tokio::test]
async fn clearing_the_docket_clears_its_outbox_and_no_other() {
    let service = service("outbox_clear").await;
    for key in ["a", "b"] {
        service.put_and_commit(key).await;
    }
    service.rows("INSERT INTO docket.outbox (docket, verb, add_id, key, name, queue, args, kind, due, inserted_at) SELECT 'other', verb, add_id, key, name, queue, args, kind, due, inserted_at FROM docket.outbox").await;
    assert_eq!(service.outbox.clear().await.unwrap(), 2);
    assert_eq!(service.counts().await.waiting, 0);
    let left: i64 = service.rows("SELECT count(*) FROM docket.outbox").await[0].get(0);
    assert_eq!(left, 2);
}

#[tokio::test]
async fn it_is_the_store_that_it_is_in_front_of_and_one_ability_more() {
    let service = service("outbox_facts").await;
    let Capabilities { scheme, docket, transactional_add, .. } = service.outbox.fork().capabilities();
    assert_eq!((scheme, docket.as_str(), transactional_add), ("memory", "tests", true));
}

/// The number 2 came with the outbox; a schema of number 1 has tasks in it.
#[tokio::test]
async fn a_schema_from_before_the_outbox_is_brought_up_to_date_with_what_is_in_it() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let connect = || docket_postgres::PostgresBackend::connect(&url, docket(), Options::default());
    let before = connect().await.unwrap();
    before.add(&[task("kept")]).await.unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    // As a build of that time has left it.
    for sql in [
        "DROP TABLE docket.outbox CASCADE",
        "DROP FUNCTION docket.outbox_add, docket.outbox_look, docket.outbox_settle, docket.outbox_counts, \
         docket.outbox_retry, docket.outbox_clear, docket.outbox_channel, docket.outbox_lock",
        "ALTER TABLE docket.task DROP undecodable_since, DROP definition, DROP declared_ids, DROP declared_untils, \
         DROP kept CASCADE",
        "ALTER TYPE docket.work DROP ATTRIBUTE definition",
        "ALTER TABLE docket.meta ALTER layout DROP NOT NULL",
        "ALTER TYPE docket.reply DROP ATTRIBUTE undecodable_sinces",
        "ALTER TABLE docket.tally DROP finished_bytes, DROP dead_bytes",
        "ALTER TYPE docket.reply DROP ATTRIBUTE ahead, DROP ATTRIBUTE clock_offset, DROP ATTRIBUTE clock_steps",
        "ALTER TABLE docket.meta DROP COLUMN ahead, DROP COLUMN seen, DROP COLUMN settled, DROP COLUMN steps",
        "DELETE FROM docket.migration WHERE version > 1",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    let after = connect().await.unwrap();
    assert!(after.get(&TaskKey::new("kept").unwrap()).await.unwrap().is_some());
    let outbox = Outbox::connect(Arc::new(after), &url, Options::default()).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    outbox.put_in(&mut tx, Verb::Add, &[task("new")]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(outbox.row_counts().await.unwrap().waiting, 1);
}

/// A worker has other work; its relay says so and goes on trying.
#[tokio::test]
async fn an_outbox_that_is_away_at_the_start_is_no_error_but_one_that_refuses_is() {
    let queue = || Arc::new(MemoryBackend::new(docket()));
    let away = "postgres://joe:secret@127.0.0.1:1/app";
    let outbox = Outbox::connect(queue(), away, Options::default()).await.unwrap();
    let error = outbox.row_counts().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && !format!("{error:?} {outbox:?}").contains("secret"), "{error:?}");
    let not_there = format!("{}_not_there", postgres_url().await);
    assert_eq!(Outbox::connect(queue(), &not_there, Options::default()).await.unwrap_err().kind(), ErrorKind::Config);
}
