//! A worker leases nothing that it could not renew and settle.
//!
//! Before it did: 41 runs of 20 tasks on a server that had too few connections, none of them completed, crashes counted.

use std::time::Duration;

use conformance_tests::proxy::Welcome;
use conformance_tests::servers::{PostgresServer, RedisServer};
use docket_core::worker::Alarm;
use docket_core::{Settings, TaskState};
use futures_util::future::join_all;
use tracing::Level;

use crate::running::Running;
use crate::sabotage::{Fault, Sabotage, Verb};
use crate::scene::{NOTICED, SOON, Scene, Setup, all_tasks};
use crate::stores::{ALL, SERVED, docket, on_kinds, open, tell};
use crate::tasks::Note;

const SHORT: Setup = Setup::new(50, 1);
/// Longer than two leases.
const A_WHILE: Duration = Duration::from_secs(6);
const TASKS: usize = 20;

fn held_back(alarm: &Alarm) -> bool {
    matches!(alarm, Alarm::HeldBack { .. })
}

async fn add_all(scene: &Scene, prefix: &str) -> Vec<String> {
    let client = scene.aside_client();
    let keys: Vec<String> = (0..TASKS).map(|n| format!("{prefix}.{n}")).collect();
    for key in &keys {
        client.add(Note {}).key(key.as_str()).await.unwrap();
    }
    keys
}

/// Nothing runs while the worker says why; then each task runs once.
async fn held_back_until(scene: &Scene, worker: &Running, keys: &[String], reason: &str, end: impl AsyncFnOnce()) {
    worker.until_alarm("it says that it leases nothing", NOTICED, held_back).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(!worker.health.is_ready());
    let said: Vec<String> = worker.health.alarms().iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|said| said.contains("nothing is leased") && said.contains(reason)), "{said:#?}");
    assert!(worker.logged(Level::ERROR, &["nothing is leased", reason]) > 0);
    for key in keys {
        assert_eq!(scene.log.runs(key).len(), 0, "{key}");
    }
    end().await;
    for key in keys {
        // A call that never answers is given up after ten seconds.
        let view = scene.until(key, TaskState::Completed, SOON * 2).await;
        assert_eq!((scene.log.runs(key).len(), view.attempts, view.crashes), (1, 0, 0), "{key}");
    }
    worker.until_ready(SOON).await;
}

/// Room for the service and for leasing, and for one of renewing and settling, or for neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_leased_while_a_role_has_too_few_connections() {
    let server = PostgresServer::start().await;
    let docket_name = docket("role");
    let aside = open(&server.url(), &docket_name).await;
    let limits = [2, 3];
    for limit in limits {
        let role = format!("limited{limit}");
        let create = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}");
        let all = format!("GRANT ALL ON ALL TABLES IN SCHEMA docket TO {role}");
        let sequences = format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA docket TO {role}");
        tell(&server, &[&create, &format!("GRANT USAGE ON SCHEMA docket TO {role}"), &all, &sequences]).await;
    }
    join_all(limits.map(async |limit| {
        let role = format!("limited{limit}");
        let name = docket(&role);
        let store = open(&server.url().replace("postgres@", &format!("{role}@")), &name).await;
        let scene = Scene::beside(store, open(&server.url(), &name).await);
        let worker = scene.start(SHORT.settings());
        let keys = add_all(&scene, "k").await;
        let more = format!("ALTER ROLE {role} CONNECTION LIMIT 50");
        held_back_until(&scene, &worker, &keys, "no free connection", async || tell(&server, &[&more]).await).await;
        worker.stopped().await.unwrap();
    }))
    .await;
    drop(aside);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_leased_while_a_redis_has_too_few_connections() {
    join_all([1, 2].map(async |more| {
        let server = RedisServer::start().await;
        let client = redis::Client::open(server.url()).unwrap();
        let mut operator = client.get_multiplexed_async_connection().await.unwrap();
        let name = docket("maxclients");
        let scene = Scene::beside(open(&server.url(), &name).await, open(&server.url(), &name).await);
        let mut set = async |count: usize| {
            let mut command = redis::cmd("CONFIG");
            command.arg("SET").arg("maxclients").arg(count);
            command.query_async::<()>(&mut operator).await.unwrap();
        };
        // The operator's, the service's, and the test's own view are there.
        set(3 + more).await;
        let worker = scene.start(SHORT.settings());
        let keys = add_all(&scene, "k").await;
        // The server says why, and closes the connection; which of both is seen first is open.
        held_back_until(&scene, &worker, &keys, "the store", async || set(100).await).await;
        worker.stopped().await.unwrap();
    }))
    .await;
}

/// A worker that is well until its outcomes go unanswered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_leased_while_an_outcome_goes_unanswered() {
    let faults = [Fault::Fails, Fault::NeverAnswers];
    let plays = faults.into_iter().flat_map(|fault| ALL.map(|kind| (kind, fault)));
    join_all(plays.map(async |(kind, fault)| {
        let scene = Scene::new(kind, "unanswered").await;
        let sabotage = Sabotage::of(scene.store.clone());
        let worker = scene.start_on(sabotage.store(), all_tasks(), SHORT.settings());
        scene.runs_again("tick", SOON).await;
        sabotage.set(Verb::Ack, fault);
        // Its outcome is the first that nobody answers. The periodic task is another one.
        scene.add(&scene.client, Note {}, "first", Duration::ZERO).await.unwrap();
        worker.until_alarm("it says that it leases nothing", SOON, held_back).await;
        let keys = add_all(&scene, "k").await;
        held_back_until(&scene, &worker, &keys, "settling", async || sabotage.lift()).await;
        let first = scene.until("first", TaskState::Completed, SOON).await;
        assert_eq!((scene.log.runs("first").len(), first.crashes), (1, 0));
        worker.stopped().await.unwrap();
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_at_the_start_is_waited_for_and_said() {
    on_kinds(&SERVED, async |kind| {
        let scene = Scene::proxied(kind, "away").await;
        scene.proxy().welcome(Welcome::Refuse);
        scene.proxy().kill_all();
        let worker = scene.start(Settings::default());
        worker.until_alarm("it says that it leases nothing", SOON * 2, held_back).await;
        assert!(!worker.health.is_ready());
        let said: Vec<String> = worker.health.alarms().iter().map(ToString::to_string).collect();
        assert!(said.iter().all(|said| said.contains(&scene.port())), "the reason is said: {said:#?}");
        scene.proxy().welcome(Welcome::Carry);
        worker.until_ready(SOON * 2).await;
        scene.burst("after", 5).await;
        scene.all_ran(SOON).await;
        worker.stopped().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_renew_yet_waits_and_says_so() {
    for verb in [Verb::Heartbeat, Verb::Ack] {
        join_all(ALL.map(async |kind| {
            let scene = Scene::new(kind, "yet").await;
            let sabotage = Sabotage::of(scene.store.clone());
            sabotage.set(verb, Fault::Fails);
            let worker = scene.start_on(sabotage.store(), all_tasks(), SHORT.settings());
            let keys = add_all(&scene, "k").await;
            held_back_until(&scene, &worker, &keys, "sabotage", async || sabotage.lift()).await;
            worker.stopped().await.unwrap();
        }))
        .await;
    }
}
