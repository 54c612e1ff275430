//! T7, T8, T20: the server restarted, read-only, refusing, emptied under running workers.

use std::time::{Duration, Instant};

use docket_core::{Settings, TaskState};
use tracing::Level;

use crate::logs;
use crate::running::Running;
use crate::scene::{CALL_MAX, IN_TIME, NOTICED, SHORT, SOON, Scene, Setup, eventually, on_each};
use crate::stores::{Kind, SERVED, Server, docket, on_kinds, open, tell};
use crate::tasks::{Hold, Note};

const CHECK: Duration = Duration::from_secs(1);

/// A scene on a server of its own, with its workers running.
async fn with_own_server(kind: Kind, case: &str, setup: Setup) -> (Server, Scene, Vec<Running>) {
    let server = Server::start(kind).await;
    let scene = Scene::proxied_before(&server.url(), case).await;
    // The store is looked at as often as ready work may be old.
    let oldest_ready_alarm = Duration::from_secs(2);
    let settings = Settings { check_interval: CHECK, oldest_ready_alarm, ..setup.settings() };
    let workers = scene.start_all_with(setup, &settings);
    scene.burst("before", 10).await;
    scene.all_ran(SOON).await;
    (server, scene, workers)
}

/// The store refuses everything for a while: adds fail in time, the workers report that they are
/// not alive; afterwards they recover by themselves, and running tasks are settled.
async fn an_outage(scene: &Scene, workers: Vec<Running>, setup: Setup, end: impl AsyncFnOnce()) {
    let start = Instant::now();
    scene.add(&scene.client, Note {}, "during", Duration::ZERO).await.unwrap_err();
    assert!(start.elapsed() < CALL_MAX, "{:?}", start.elapsed());
    for worker in &workers {
        worker.until_unready(NOTICED).await;
    }
    assert!(logs::count(Level::WARN, &[&scene.port()]) > 0, "what the store answers is said");
    end().await;
    for worker in &workers {
        worker.until_ready(SOON + CHECK).await;
    }
    scene.burst("after", 20).await;
    scene.all_ran(SOON + setup.lease()).await;
    scene.runs_again("tick", SOON + setup.lease()).await;
    scene.until("running", TaskState::Completed, SOON + setup.lease()).await;
    for worker in workers {
        worker.stopped().await.unwrap();
    }
}

/// A task that ends in the middle of the outage: its outcome has to wait.
async fn a_task_under_way(scene: &Scene) {
    let hold = Hold { millis: 1_500, stubborn: true };
    scene.client.add(hold).key("running").await.unwrap();
    scene.until("running", TaskState::Running, SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t7_a_restarted_server_finds_its_workers_again() {
    on_each(&SHORT, async |kind, setup| {
        let (server, scene, workers) = with_own_server(kind, "t7a", setup).await;
        a_task_under_way(&scene).await;
        // Acknowledged just before, and due while the server is down.
        scene.add(&scene.client, Note {}, "accepted", Duration::from_secs(16)).await.unwrap();
        server.kill9();
        an_outage(&scene, workers, setup, async || server.restart().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t7_a_server_that_turns_read_only_finds_its_workers_again() {
    on_each(&SHORT, async |kind, setup| {
        let (server, scene, workers) = with_own_server(kind, "t7b", setup).await;
        a_task_under_way(&scene).await;
        server.turn_read_only().await;
        an_outage(&scene, workers, setup, async || server.turn_writable().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t7_a_server_that_refuses_with_a_code_nobody_knows_finds_its_workers_again() {
    on_each(&SHORT, async |kind, setup| {
        let (_server, scene, workers) = with_own_server(kind, "t7c", setup).await;
        a_task_under_way(&scene).await;
        scene.proxy().refuse_calls(Some("WEIRD a code that no version had so far"));
        an_outage(&scene, workers, setup, async || scene.proxy().refuse_calls(None)).await;
    })
    .await;
}

/// A deleted stream once ended every loop that read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t8_an_emptied_server_is_filled_again_and_said() {
    on_each(&SHORT, async |kind, setup| {
        let (server, scene, workers) = with_own_server(kind, "t8", setup).await;
        server.empty().await;
        scene.burst("after", 20).await;
        scene.all_ran(SOON).await;
        // Only the workers know of the periodic task: one of them notices that it is gone.
        scene.runs_again("tick", SOON).await;
        // Another worker may run it before the one that added it has logged that.
        let lost = ["lost a periodic task", "tick"];
        eventually("a worker says that it is lost", SOON, async || {
            workers.iter().any(|worker| worker.logged(Level::ERROR, &lost) > 0).then_some(())
        })
        .await;
        let defects = scene.aside.audit().await.unwrap();
        assert!(defects.is_empty(), "{defects:#?}");
        for worker in workers {
            worker.stopped().await.unwrap();
        }
    })
    .await;
}

/// Somebody restored a dump without the schema. A running worker creates no tables behind an
/// operator's back: it reports the missing schema, and goes on once it is there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t8_a_schema_that_is_gone_is_said_and_work_goes_on_once_it_is_back() {
    let setup = SHORT[0];
    let (server, scene, workers) = with_own_server(Kind::Postgres, "t8b", setup).await;
    let Server::Postgres(postgres) = &server else { panic!("a Postgres was asked for") };
    tell(postgres, &["DROP SCHEMA docket CASCADE"]).await;
    let error = scene.client.add(Note {}).key("during").await.unwrap_err();
    assert!(error.to_string().contains("the schema is missing"), "{error}");
    for worker in &workers {
        worker.until_unready(NOTICED).await;
    }
    assert!(logs::count(Level::WARN, &[&scene.port(), "the schema is missing"]) > 0);
    // The next process that starts makes it.
    open(&server.url(), &docket("t8b")).await;
    for worker in &workers {
        worker.until_ready(SOON + CHECK).await;
    }
    scene.burst("after", 10).await;
    scene.all_ran(SOON).await;
    scene.runs_again("tick", SOON).await;
    for worker in workers {
        worker.stopped().await.unwrap();
    }
}

/// The server's entries about waiters belong to waits that are over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_after_restarts_of_the_server_due_and_new_tasks_start_in_time() {
    on_kinds(&SERVED, async |kind| {
        let server = Server::start(kind).await;
        let scene = Scene::of(open(&server.url(), &docket("t20")).await);
        // The check interval of production: a look that nobody is woken for comes too late.
        let workers = scene.start_all(Setup::new(2_000, 2));
        scene.burst("before", 1).await;
        scene.all_ran(SOON).await;
        scene.add(&scene.client, Note {}, "due", Duration::from_secs(15)).await.unwrap();
        let due = Instant::now() + Duration::from_secs(15);
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            server.kill9();
            server.restart().await;
        }
        assert!(Instant::now() < due, "restarting took too long to show anything");
        scene.add(&scene.client, Note {}, "new", Duration::ZERO).await.unwrap();
        scene.all_ran(IN_TIME).await;
        stop_all(workers).await;
    })
    .await;
}

async fn stop_all(workers: Vec<Running>) {
    for worker in workers {
        worker.stopped().await.unwrap();
    }
}
