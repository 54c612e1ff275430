//! A docket, its tasks and its worker, in short.

use std::time::Duration;

use docket_core::{
    Ack, AddAnswer, DocketName, KnownName, Lease, LeaseOrder, LeaseReply, LeaseRequest, LeaseSuspects, NewTask,
    Outcome, Payload, Queue, QueueBackend, RequestId, Result, TaskKey, TaskName, WorkerId, WorkerRecord,
};
use docket_postgres::{Options, PostgresBackend};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

pub(crate) const NAME: &str = "work";

pub(crate) fn docket() -> DocketName {
    DocketName::new("tests").unwrap()
}

/// Settings with a schema of this test alone.
pub(crate) fn options(schema: &str) -> Options {
    Options { schema: schema.to_owned(), ..Options::default() }
}

pub(crate) async fn connect(url: &str) -> PostgresBackend {
    PostgresBackend::connect(url, docket(), Options::default()).await.unwrap()
}

pub(crate) fn key(text: &str) -> TaskKey {
    TaskKey::new(text).unwrap()
}

pub(crate) fn task(text: &str) -> NewTask {
    NewTask { key: key(text), ..NewTask::new(TaskName::new(NAME).unwrap(), Payload::new("{}")) }
}

pub(crate) async fn add(store: &(impl QueueBackend + ?Sized), task: NewTask) -> Result<AddAnswer> {
    store.add(&[task]).await?.remove(0)
}

pub(crate) fn ask(worker: &str, wait: Duration) -> LeaseRequest {
    let queue = Queue::default();
    LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new(worker).unwrap(),
            queues: vec![queue.clone()],
            names: vec![(TaskName::new(NAME).unwrap(), queue.clone())],
            concurrency: 10,
            running: 0,
            settled: 0,
            ttl: Duration::from_mins(1),
        },
        queues: vec![queue],
        names: vec![KnownName { name: TaskName::new(NAME).unwrap(), max_crashes: 5 }],
        count: 10,
        suspects: LeaseSuspects::Allow,
        lease_for: Duration::from_secs(10),
        wait,
        order: LeaseOrder::Precedence,
    }
}

pub(crate) async fn take(store: &(impl QueueBackend + ?Sized)) -> Result<LeaseReply> {
    store.lease(&ask("worker", Duration::ZERO)).await
}

pub(crate) fn completed(lease: &Lease) -> Ack {
    Ack {
        token: lease.token.clone(),
        outcome: Outcome::Completed(None),
        max_attempts: 3,
        retention: Duration::from_mins(1),
    }
}

pub(crate) fn keys(reply: &LeaseReply) -> Vec<&str> {
    reply.leases.iter().map(|lease| lease.token.key.as_str()).collect()
}

/// Says this to the server, behind the back of the backend; the first number of its answer.
pub(crate) async fn tell(url: &str, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
    rows.first().map_or(0, |row| row.get(0))
}

/// The statement that puts the rows of `from` back into the table of tasks: all columns but those that the table computes.
pub(crate) fn put_back(schema: &str, from: &str) -> String {
    format!(
        "DO $put_back$ DECLARE columns text; BEGIN
           SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
             WHERE attrelid = '{schema}.task'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
           EXECUTE format('INSERT INTO {schema}.task (%1$s) SELECT %1$s FROM {from}', columns);
         END $put_back$"
    )
}
