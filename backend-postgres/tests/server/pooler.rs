//! Behind a real `PgBouncer` in transaction mode; the suite and the worker's tests run through it as well.

use std::time::{Duration, Instant};

use conformance_tests::proxy::{Loss, Proxy};
use conformance_tests::servers::{PgBouncer, PostgresServer, postgres_url};
use docket_core::{AddAnswer, ErrorKind, Heartbeat, Inspect, LeaseRequest, NewTask, QueueBackend, RunAt};
use docket_postgres::{Options, Pooler, PostgresBackend};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::work::{add, ask, docket, key, keys, options, take, task, tell};

async fn pooled(schema: &str) -> (PgBouncer, Options) {
    let pooler = PgBouncer::before(&postgres_url().await).await;
    (pooler, Options { pooler: Pooler::Transaction, ..options(schema) })
}

/// How a service connects to it by itself.
fn as_a_service(pooler: &PgBouncer) -> PgConnectOptions {
    let options: PgConnectOptions = pooler.url().parse().unwrap();
    options.extra_float_digits(None).statement_cache_capacity(0).disable_statement_logging()
}

#[tokio::test]
async fn one_that_nobody_spoke_of_is_found_out() {
    let (pooler, _) = pooled("unspoken").await;
    let error = PostgresBackend::connect(&pooler.url(), docket(), options("unspoken")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && !error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("pgbouncer=true"), "{error}");
    // Or later, when statements meet servers that have not prepared them, or others of the same name.
    let pool =
        PgPoolOptions::new().max_connections(8).connect_lazy_with(as_a_service(&pooler).statement_cache_capacity(100));
    let store = PostgresBackend::on_pool(pool, docket(), options("unspoken")).unwrap();
    PostgresBackend::connect(&postgres_url().await, docket(), options("unspoken")).await.unwrap();
    let calls: Vec<_> = (0..40)
        .map(|n| {
            let store = store.fork();
            tokio::spawn(async move { add(&*store, task(&n.to_string())).await.map(drop) })
        })
        .collect();
    let mut errors = Vec::new();
    for call in calls {
        errors.extend(call.await.unwrap().err());
    }
    assert!(errors.iter().any(|error| error.to_string().contains("pgbouncer=true")), "{errors:?}");
}

#[tokio::test]
async fn ten_that_start_at_once_make_one_schema() {
    let (pooler, options) = pooled("pooled_start").await;
    let starts: Vec<_> = (0..10)
        .map(|n| {
            let (url, options) = (pooler.url(), options.clone());
            tokio::spawn(async move {
                let store = PostgresBackend::connect(&url, docket(), options).await?;
                add(&store, task(&n.to_string())).await
            })
        })
        .collect();
    for start in starts {
        assert_eq!(start.await.unwrap().unwrap(), AddAnswer::Added);
    }
    assert_eq!(tell(&postgres_url().await, "SELECT count(*) FROM pooled_start.task").await, 10);
}

#[tokio::test]
async fn a_transaction_of_the_service_goes_through_it_as_well() {
    let (pooler, options) = pooled("pooled_tx").await;
    let url = format!("{}?pgbouncer=true", pooler.url());
    let store = PostgresBackend::connect(&url, docket(), Options { pooler: Pooler::None, ..options }).await.unwrap();
    let pool = PgPoolOptions::new().connect_with(as_a_service(&pooler)).await.unwrap();
    for n in 0..10 {
        let (kept, dropped) = (format!("kept-{n}"), format!("dropped-{n}"));
        for (text, commits) in [(&kept, true), (&dropped, false)] {
            let mut tx = pool.begin().await.unwrap();
            store.add_in(&mut tx, &[task(text)]).await.unwrap().remove(0).unwrap();
            if commits { tx.commit().await } else { tx.rollback().await }.unwrap();
        }
        assert!(store.get(&key(&kept)).await.unwrap().is_some());
        assert!(store.get(&key(&dropped)).await.unwrap().is_none());
    }
}

/// What is added is seen at the next look, and what was known to be due starts in time, however rare the looks.
#[tokio::test]
async fn a_waiter_looks_again_within_the_poll_and_in_time() {
    let (pooler, options) = pooled("pooled_wait").await;
    let options = Options { poll: Duration::from_millis(400), ..options };
    let store = PostgresBackend::connect(&pooler.url(), docket(), options.clone()).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.fork();
        async move { store.lease(&ask("worker", Duration::from_secs(20))).await }
    });
    tokio::time::sleep(Duration::from_millis(600)).await;
    add(&store, task("a")).await.unwrap();
    let added = Instant::now();
    assert_eq!(keys(&waiting.await.unwrap().unwrap()), ["a"]);
    assert!(added.elapsed() < Duration::from_millis(1_400), "{:?}", added.elapsed());

    let options = Options { poll: Duration::from_secs(30), ..options };
    let rare = PostgresBackend::connect(&pooler.url(), docket(), options).await.unwrap();
    add(&rare, NewTask { run_at: RunAt::In(Duration::from_millis(700)), ..task("b") }).await.unwrap();
    let start = Instant::now();
    assert_eq!(keys(&rare.lease(&ask("worker", Duration::from_secs(20))).await.unwrap()), ["b"]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_killed_pooler_costs_an_error_and_loses_nothing() {
    let server = PostgresServer::start().await;
    let pooler = PgBouncer::before(&server.url()).await;
    let url = format!("{}?pgbouncer=true", pooler.url());
    let store = PostgresBackend::connect(&url, docket(), Options::default()).await.unwrap();
    add(&store, task("before")).await.unwrap();
    pooler.kill9();
    let error = add(&store, task("during")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    pooler.start().await;
    assert_eq!(keys(&take(&store).await.unwrap()), ["before"]);
    server.kill9();
    assert!(add(&store, task("during")).await.unwrap_err().is_retryable());
    server.restart().await;
    // The pooler may say for a moment that its server is away.
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = add(&store, task("after")).await {
        assert!(error.is_retryable() && Instant::now() < end, "{error:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

/// A pooled client was stopped between its statement and its COMMIT: it held the lock that waiters need, and the rows of
/// its task, for as long as it was stopped. Direct workers fell from 570 runs a second to 28 in 40 s.
#[tokio::test]
async fn a_client_that_stops_before_its_commit_holds_nobody_up() {
    let (pooler, options) = pooled("pooled_stop").await;
    let direct = Options { pooler: Pooler::None, ..options.clone() };
    let direct = PostgresBackend::connect(&postgres_url().await, docket(), direct).await.unwrap();
    let proxy = Proxy::before(&pooler.url()).await;
    let stopped = PostgresBackend::connect(&proxy.url(), docket(), options).await.unwrap();

    // An adder: what it holds, every waiter needs.
    let stop = proxy.stop_before("COMMIT");
    let adding = tokio::spawn({
        let stopped = stopped.fork();
        async move { add(&*stopped, task("x")).await }
    });
    until(&stop).await;
    let since = Instant::now();
    let waiting = tokio::spawn({
        let direct = direct.fork();
        async move { direct.lease(&ask("direct", Duration::from_secs(20))).await }
    });
    add(&direct, task("y")).await.unwrap();
    let taken = waiting.await.unwrap().unwrap();
    assert_eq!(keys(&taken), ["y"]);
    assert!(since.elapsed() < Duration::from_secs(2), "others waited {:?}", since.elapsed());
    assert!(adding.await.unwrap().unwrap_err().is_retryable(), "its add was not committed");
    assert!(direct.get(&key("x")).await.unwrap().is_none());

    // A worker that is stopped in its heartbeat: its task runs elsewhere when its lease has passed.
    add(&direct, task("z")).await.unwrap();
    let lease = Duration::from_millis(1_500);
    let leased = stopped.lease(&LeaseRequest { lease_for: lease, ..ask("stopped", Duration::ZERO) }).await.unwrap();
    assert_eq!(keys(&leased), ["z"]);
    let stop = proxy.stop_before("COMMIT");
    let beat = Heartbeat {
        worker: ask("stopped", Duration::ZERO).worker,
        lease_for: lease,
        tokens: leased.leases.iter().map(|lease| lease.token.clone()).collect(),
    };
    let beating = tokio::spawn(async move { stopped.heartbeat(&beat).await });
    until(&stop).await;
    let since = Instant::now();
    let retaken = direct.lease(&ask("direct", Duration::from_secs(20))).await.unwrap();
    assert_eq!(keys(&retaken), ["z"]);
    assert!(since.elapsed() < lease + Duration::from_secs(2), "its task waited {:?}", since.elapsed());
    beating.await.unwrap().unwrap_err();
    assert_eq!(direct.audit().await.unwrap(), Vec::<String>::new());
}

async fn until(stop: &Loss) {
    let end = Instant::now() + Duration::from_secs(10);
    while !stop.happened() {
        assert!(Instant::now() < end, "nobody came by");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
