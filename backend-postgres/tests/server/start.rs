//! How a docket begins, and what it refuses to begin on.

use std::time::Duration;

use conformance_tests::servers::{PostgresServer, postgres_url};
use docket_core::{AddAnswer, ErrorKind, Inspect, QueueBackend, UrlSource};
use docket_postgres::{Migrate, Options, PostgresBackend};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::time::sleep;

use crate::work::{add, ask, docket, key, keys, options, put_back, take, task, tell};

/// A deploy starts all replicas in the same second, and each finds no schema.
#[tokio::test]
async fn ten_that_start_at_once_make_one_schema() {
    let url = postgres_url().await;
    let starts: Vec<_> = (0..10)
        .map(|n| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = PostgresBackend::connect(&url, docket(), options("ten_at_once")).await?;
                add(&store, task(&n.to_string())).await
            })
        })
        .collect();
    for start in starts {
        assert_eq!(start.await.unwrap().unwrap(), AddAnswer::Added);
    }
    let steps_and_latest = "SELECT count(*) - max(version) FROM ten_at_once.migration";
    assert_eq!(tell(&url, steps_and_latest).await, 0, "each step was made once");
    assert_eq!(tell(&url, "SELECT count(*) FROM ten_at_once.task").await, 10);
}

#[tokio::test]
async fn a_schema_of_a_newer_build_is_refused_and_left_alone() {
    let url = postgres_url().await;
    PostgresBackend::connect(&url, docket(), options("newer")).await.unwrap();
    tell(&url, "INSERT INTO newer.migration (version) VALUES (999)").await;
    let error = PostgresBackend::connect(&url, docket(), options("newer")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("version 999") && !error.is_retryable(), "{error}");
    let opened = PostgresBackend::open(&url, docket(), options("newer")).unwrap();
    assert_eq!(add(&opened, task("a")).await.unwrap_err().kind(), ErrorKind::Conflict, "opened late, the same");
}

#[tokio::test]
async fn who_may_not_migrate_says_what_is_missing() {
    let url = postgres_url().await;
    let mut options = options("nobody_made_it");
    options.migrate = Migrate::Never;
    let error = PostgresBackend::connect(&url, docket(), options).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("run the migrations"), "{error}");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'nobody_made_it'";
    assert_eq!(tell(&url, schemas).await, 0);
}

#[tokio::test]
async fn schemas_do_not_meet_and_may_have_any_name() {
    let url = postgres_url().await;
    // A word of the language, as a schema.
    let one = PostgresBackend::connect(&url, docket(), options("select")).await.unwrap();
    let other = PostgresBackend::connect(&url, docket(), options("other")).await.unwrap();
    add(&one, task("a")).await.unwrap();
    assert!(other.get(&key("a")).await.unwrap().is_none());
    assert_eq!(keys(&take(&one).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn an_opened_docket_makes_its_schema_with_its_first_call() {
    let url = postgres_url().await;
    let store = PostgresBackend::open(&url, docket(), options("opened")).unwrap();
    assert_eq!(store.capabilities().scheme, "postgres");
    add(&store, task("a")).await.unwrap();
    assert_eq!(keys(&take(&store).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn a_pool_of_the_service_will_do() {
    let url = postgres_url().await;
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
    let store = PostgresBackend::on_pool(pool, docket(), options("on_a_pool")).unwrap();
    add(&store, task("a")).await.unwrap();
    assert_eq!(keys(&take(&*store.fork()).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn what_cannot_be_reached_says_so_in_time_and_without_the_password() {
    let url = postgres_url().await;
    let user = url.replacen("postgres@", "nobody:secret@", 1);
    let none = format!("{}_not_there", url.replacen("postgres@", "postgres:secret@", 1));
    let away = "postgres://joe:secret@127.0.0.1:1/app".to_owned();
    for (url, kind) in [(user, ErrorKind::Refused), (none, ErrorKind::Config), (away, ErrorKind::Unavailable)] {
        let start = std::time::Instant::now();
        let error = PostgresBackend::connect(&url, docket(), Options::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

/// With statistics of another day (hardly anything was queued), a lease once read every task of the docket by its key.
#[tokio::test]
async fn a_lease_reads_what_it_takes_whatever_the_statistics_say() {
    let url = postgres_url().await;
    let open = || PostgresBackend::connect(&url, docket(), options("planned"));
    let store = open().await.unwrap();
    fill(&store, "old", 10).await;
    // Not by updates: whatever else the server does may keep a vacuum from taking away what they leave behind in the line.
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let put_back = put_back("planned", "done");
    for statement in [
        "CREATE TEMP TABLE done AS SELECT * FROM planned.task",
        "UPDATE done SET state = 'completed', expires_at = visible_at + 1000000000 WHERE key NOT LIKE '%99'",
        "TRUNCATE planned.task",
        &put_back,
        "ANALYZE planned.task",
    ] {
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
    drop(store);
    let store = open().await.unwrap();
    fill(&store, "new", 2).await;
    let before = reads(&url).await;
    for _ in 0..20 {
        assert_eq!(take(&store).await.unwrap().leases.len(), 10);
    }
    drop(store);
    let read = reads(&url).await - before;
    // 690; and 4,300 while somebody's transaction keeps what the earlier leases left behind.
    assert!((200..8_000).contains(&read), "{read} index entries were read to lease 200 tasks");
}

async fn fill(store: &PostgresBackend, prefix: &str, thousands: usize) {
    for chunk in 0..thousands {
        let tasks: Vec<_> = (0..1_000).map(|n| task(&format!("{prefix}-{chunk}-{n}"))).collect();
        assert!(store.add(&tasks).await.unwrap().iter().all(Result::is_ok));
    }
}

/// Entries read from the indexes so far: the server notes it when a connection ends, and a moment later.
async fn reads(url: &str) -> i64 {
    sleep(Duration::from_millis(1_500)).await;
    tell(url, "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE schemaname = 'planned'").await
}

/// A role's password changes while a worker runs: it is read from the file when the next connection is made.
#[tokio::test]
async fn a_new_password_is_read_from_the_file_at_the_next_connection() {
    let server = PostgresServer::start().await;
    let admin = server.url();
    let ask_it = "DO $$ BEGIN EXECUTE format('COPY (SELECT unnest(ARRAY[''local all all trust'', \
                  ''host all turned all scram-sha-256'', ''host all all all trust''])) TO %L', current_setting('hba_file')); END $$";
    tell(&admin, ask_it).await;
    tell(&admin, "SELECT count(pg_reload_conf())").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |password: &str| {
        let url = admin.replacen("postgres@", &format!("turned:{password}@"), 1);
        std::fs::write(file.path(), url + "\n").unwrap();
    };
    tell(&admin, "CREATE ROLE turned LOGIN PASSWORD 'one'").await;
    tell(&admin, "GRANT CREATE ON DATABASE postgres TO turned").await;
    write("one");
    let url = UrlSource::File(file.path().to_owned());
    let store = PostgresBackend::connect_at(url, docket(), options("turned")).await.unwrap();
    let worker = store.fork();
    add(&store, task("a")).await.unwrap();
    let waiting = tokio::spawn(async move {
        let request = ask("worker", Duration::from_secs(20));
        loop {
            match worker.lease(&request).await {
                Ok(reply) if !reply.leases.is_empty() => return reply.leases.len(),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    assert_eq!(waiting.await.unwrap(), 1);

    tell(&admin, "ALTER ROLE turned PASSWORD 'two'").await;
    tell(&admin, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'turned'").await;
    let error = add(&store, task("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    write("two");
    add(&store, task("b")).await.unwrap();
    assert_eq!(keys(&take(&store).await.unwrap()), ["b"]);
}
