//! Periodic tasks that the store does not take: starting needs no more of a store than working does.

use std::time::Duration;

use conformance_tests::servers::{RedisServer, postgres_url};
use docket_core::worker::Alarm;
use docket_core::{NewTask, Payload, Settings, TaskKey, TaskName};
use docket_postgres::{Options, PostgresBackend};
use sqlx::{Connection as _, PgConnection};

use crate::running::Running;
use crate::scene::{SOON, Scene, Setup, eventually};
use crate::stores::{command, docket, open};

const SHORT: Setup = Setup::new(50, 1);
/// A call that is never answered is given up after ten seconds; the next try comes a few seconds later.
const TRIED_AGAIN: Duration = Duration::from_secs(20);

fn settings() -> Settings {
    Settings { check_interval: Duration::from_secs(1), ..SHORT.settings() }
}

/// A worker that works, is ready, and names the periodic task that it cannot seed, and why.
async fn works_and_names_it(scene: &Scene, reason: &str) -> Running {
    let worker = scene.start(settings());
    scene.all_ran(SOON).await;
    let names_it = |alarm: &Alarm| {
        let text = alarm.to_string();
        text.contains("periodic task tick") && text.contains(reason)
    };
    worker.until_alarm("an alarm names the periodic task", TRIED_AGAIN, names_it).await;
    assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    worker
}

async fn goes_on(scene: &Scene, worker: Running) {
    scene.runs_again("tick", TRIED_AGAIN * 2).await;
    eventually("no alarm is left", SOON, async || worker.health.alarms().is_empty().then_some(())).await;
    worker.stopped().await.unwrap();
}

/// Workers must be able to work off a full server, or it would stay full forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_worked_off_by_a_worker_with_a_periodic_task() {
    let server = RedisServer::start().await;
    let scene = Scene::of(open(&server.url(), &docket("full")).await);
    scene.burst("before", 10).await;
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let worker = works_and_names_it(&scene, "memory").await;
    command(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    goes_on(&scene, worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_periodic_task_that_cannot_be_read_holds_up_nobody() {
    let server = RedisServer::start().await;
    let name = docket("unreadable");
    let scene = Scene::of(open(&server.url(), &name).await);
    let tasks = format!("docket:{{{name}}}:tasks");
    command(&server, &["HSET", &tasks, "tick", "garbage"]).await;
    scene.burst("before", 10).await;
    let worker = works_and_names_it(&scene, "cannot be read").await;
    command(&server, &["HDEL", &tasks, "tick"]).await;
    goes_on(&scene, worker).await;
}

/// Another transaction has added the key and is still open: whether the key will be there is
/// unknown until it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_periodic_task_that_a_transaction_holds_holds_up_nobody() {
    let (url, name) = (postgres_url().await, docket("held"));
    let scene = Scene::of(open(&url, &name).await);
    let store = PostgresBackend::connect(&url, name, Options::default()).await.unwrap();
    let mut caller = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut caller).await.unwrap();
    let tick = NewTask::keyed(TaskKey::new("tick").unwrap(), TaskName::new("tick").unwrap(), Payload::new("{}"));
    store.add_in(&mut caller, &[tick]).await.unwrap().remove(0).unwrap();
    scene.burst("before", 10).await;
    let worker = works_and_names_it(&scene, "").await;
    sqlx::raw_sql("ROLLBACK").execute(&mut caller).await.unwrap();
    goes_on(&scene, worker).await;
}
