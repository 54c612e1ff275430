//! T2 to T6: connections killed, cut, muted, refused and forgotten.

use std::time::{Duration, Instant};

use conformance_tests::proxy::{Flow, Held, Welcome};
use docket_core::{ErrorKind, Settings, TaskState};
use futures_util::future::join_all;
use tracing::Level;

use crate::logs;
use crate::running::Running;
use crate::scene::{CALL_MAX, EACH, NOTICED, SHORT, SOON, Scene, Setup, eventually, on_each};
use crate::stores::Kind;
use crate::tasks::{Hold, Note};

const CHECK: Duration = Duration::from_secs(1);
/// Adds that one machine makes during a fault.
const ADDS: u32 = 20;

/// A short check interval, so that a worker's death is noticed within a test's time.
fn checking(setup: Setup) -> Settings {
    Settings { check_interval: CHECK, ..setup.settings() }
}

/// Waits until each of `workers` has its fetch in a blocking read.
async fn waiting(scene: &Scene, workers: usize) -> Vec<Flow> {
    eventually("every fetch waits", SOON, async || {
        let flows = scene.waiting();
        (flows.len() >= workers).then_some(flows)
    })
    .await
}

async fn stop(workers: Vec<Running>) {
    for worker in workers {
        worker.stopped().await.unwrap();
    }
}

/// A lost blocked read once left the loop waiting until there was no future work, which a periodic task prevents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_a_killed_fetch_connection_is_replaced_while_a_periodic_task_waits() {
    on_each(&EACH, async |kind, setup| {
        let scene = Scene::proxied(kind, "t2").await;
        let workers = scene.start_all(setup);
        for round in 0..3 {
            for flow in waiting(&scene, setup.workers).await {
                flow.kill();
            }
            scene.burst(&round.to_string(), 10).await;
            scene.all_ran(SOON).await;
            scene.runs_again("tick", SOON).await;
        }
        scene.none_ran_twice();
        assert!(workers.iter().all(|worker| worker.health.is_ready()));
        stop(workers).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_half_open_fetch_connection_is_found_out_after_the_block() {
    on_each(&SHORT, async |kind, setup| {
        let scene = Scene::proxied(kind, "t3a").await;
        let workers = scene.start_all_with(setup, &checking(setup));
        for held in [Held::Both, Held::Answers] {
            for flow in waiting(&scene, setup.workers).await {
                flow.hold(held);
            }
            scene.burst(&format!("{held:?}"), 10).await;
            scene.all_ran(CHECK + SOON).await;
            scene.runs_again("tick", SOON).await;
        }
        stop(workers).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_connections_cut_with_work_in_flight_lose_none_of_it() {
    on_each(&SHORT, async |kind, setup| {
        let scene = Scene::proxied(kind, "t3b").await;
        let workers = scene.start_all_with(setup, &checking(setup));
        waiting(&scene, setup.workers).await;
        for (round, held) in [Held::Both, Held::Answers].into_iter().enumerate() {
            let prefix = round.to_string();
            tokio::join!(scene.burst(&prefix, 50), async {
                // In the middle of the burst: some of its work has been leased, some is being settled.
                tokio::time::sleep(Duration::from_millis(30)).await;
                for flow in scene.proxy().flows() {
                    flow.hold(held);
                }
            });
            scene.all_ran(setup.lease() + CHECK + SOON).await;
        }
        assert!(logs::count(Level::WARN, &[&scene.port()]) > 0, "a connection that went silent is said");
        stop(workers).await;
    })
    .await;
}

/// Adds a task every 50 ms through the proxy, and says how many were accepted. Each call has an end.
async fn add_some(scene: &Scene, prefix: &str) -> usize {
    let adds = (0..ADDS).map(async |n| {
        tokio::time::sleep(Duration::from_millis(50) * n).await;
        let (start, key) = (Instant::now(), format!("{prefix}.{n}"));
        let added = scene.add(&scene.client, Note {}, &key, Duration::ZERO).await;
        assert!(start.elapsed() < CALL_MAX, "{key} took {:?}", start.elapsed());
        match added {
            Ok(_) => 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                0
            }
        }
    });
    join_all(adds).await.into_iter().sum()
}

/// Of two machines one had a new connection that was accepted and never answered: every call of
/// that process waited for it forever, and nothing was logged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t4_one_handshake_that_is_never_answered_costs_seconds_and_no_task() {
    on_each(&EACH, async |kind, setup| {
        let scene = Scene::proxied(kind, "t4a").await;
        let workers = scene.start_all(setup);
        waiting(&scene, setup.workers).await;
        scene.add(&scene.client, Note {}, "before", Duration::ZERO).await.unwrap();
        scene.proxy().mute_next(1);
        scene.proxy().kill_all();
        // One bad connection is behind us within the client's patience.
        assert_eq!(add_some(&scene, "during").await, ADDS as usize);
        scene.burst("after", 10).await;
        scene.all_ran(SOON + setup.lease()).await;
        scene.runs_again("tick", SOON).await;
        stop(workers).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t4_while_no_handshake_is_answered_adds_fail_in_time_and_the_other_machine_goes_on() {
    on_each(&EACH, async |kind, setup| a_machine_without_connections(kind, setup, Welcome::Mute).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_while_connections_are_refused_dropped_or_reset_the_other_machine_goes_on() {
    let setups = [Setup::new(2_000, 1)];
    let welcomes = [Welcome::Refuse, Welcome::Drop, Welcome::Reset];
    join_all(welcomes.map(async |welcome| {
        on_each(&setups, async |kind, setup| a_machine_without_connections(kind, setup, welcome).await).await;
    }))
    .await;
}

/// Machine A goes through the proxy, machine B does not. A reports that it is not alive, B does all
/// the work, and A recovers by itself.
async fn a_machine_without_connections(kind: Kind, setup: Setup, welcome: Welcome) {
    let scene = Scene::proxied(kind, "t4b").await;
    let a = scene.start_all_with(setup, &checking(setup));
    let b = scene.start_on(scene.aside.fork(), crate::scene::all_tasks(), setup.settings());
    waiting(&scene, setup.workers).await;

    scene.proxy().welcome(welcome);
    scene.proxy().kill_all();
    let (accepted, ()) = tokio::join!(add_some(&scene, "a"), scene.burst("b", 40));
    assert_eq!(accepted, 0, "{welcome:?}");
    scene.all_ran(SOON).await;
    for worker in &a {
        worker.until_unready(NOTICED).await;
    }
    // The watchdog looks once a second.
    eventually("the alarm is logged", SOON, async || {
        a.iter().all(|worker| worker.logged(Level::ERROR, &["alarm", "fetch"]) > 0).then_some(())
    })
    .await;
    assert!(b.health.is_ready(), "{:?}", b.health.alarms());

    scene.proxy().welcome(Welcome::Carry);
    for worker in &a {
        worker.until_ready(SOON + CHECK).await;
    }
    b.stopped().await.unwrap();
    scene.add(&scene.client, Note {}, "again", Duration::ZERO).await.unwrap();
    scene.burst("again", 10).await;
    scene.all_ran(SOON).await;
    stop(a).await;
}

/// The connection that is used every 50 ms is the heartbeat's; the periodic task keeps the others
/// at a few commands a second.
async fn heartbeat_flow(scene: &Scene) -> Flow {
    eventually("a connection is used all the time", SOON, async || {
        let flows = scene.proxy().flows();
        let before: Vec<usize> = flows.iter().map(Flow::commands).collect();
        tokio::time::sleep(Duration::from_millis(600)).await;
        let mut used = flows.into_iter().zip(before);
        used.find(|(flow, before)| flow.commands() - before >= 6).map(|(flow, _)| flow)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_leases_are_kept_while_every_other_connection_is_away() {
    // The shortest lease there is; the run takes more than two of them.
    let setups = [Setup::new(50, 1)];
    let welcomes = [Welcome::Mute, Welcome::Refuse, Welcome::Drop];
    join_all(welcomes.map(async |welcome| {
        on_each(&setups, async |kind, setup| heartbeats_alone(kind, setup, welcome).await).await;
    }))
    .await;
}

async fn heartbeats_alone(kind: Kind, setup: Setup, welcome: Welcome) {
    let scene = Scene::proxied(kind, "t5b").await;
    let worker = scene.start(Settings { check_interval: Duration::from_mins(1), ..setup.settings() });
    let hold = Hold { millis: 6_000, stubborn: false };
    scene.add(&scene.client, hold, "hold", Duration::ZERO).await.unwrap();
    scene.until("hold", TaskState::Running, SOON).await;
    let heartbeat = heartbeat_flow(&scene).await;
    scene.proxy().welcome(welcome);
    for flow in scene.proxy().flows().iter().filter(|flow| flow.id() != heartbeat.id()) {
        flow.kill();
    }
    tokio::time::sleep(setup.lease() + Duration::from_millis(500)).await;
    assert!(heartbeat.is_open());
    scene.proxy().welcome(Welcome::Carry);
    let view = scene.until("hold", TaskState::Completed, Duration::from_secs(6) + SOON).await;
    assert_eq!((view.crashes, scene.log.runs("hold").len()), (0, 1), "{welcome:?}");
    worker.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_calls_that_hang_starve_neither_renewals_nor_leasing() {
    on_each(&[Setup::new(50, 1)], async |kind, setup| hanging_calls(kind, setup).await).await;
}

async fn hanging_calls(kind: Kind, setup: Setup) {
    let scene = Scene::proxied(kind, "t5c").await;
    // The connections that are open before there is a worker are the client's.
    scene.client.add(Note {}).key("first").await.unwrap();
    let clients = scene.proxy().flows();
    let worker = scene.start(setup.settings());
    waiting(&scene, 1).await;
    let hold = Hold { millis: 6_000, stubborn: false };
    scene.add(&scene.client, hold, "hold", Duration::ZERO).await.unwrap();
    scene.until("hold", TaskState::Running, SOON).await;
    heartbeat_flow(&scene).await;
    // New connections are muted, so that the client's calls go on hanging.
    for flow in clients {
        flow.hold(Held::Both);
    }
    scene.proxy().welcome(Welcome::Mute);
    let hung = join_all((0..100).map(async |n| {
        let start = Instant::now();
        let error = scene.client.add(Note {}).key(format!("hung.{n}")).await.unwrap_err();
        assert!(start.elapsed() < CALL_MAX, "{:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }));
    tokio::join!(hung, async {
        scene.burst("beside", 10).await;
        scene.all_ran(SOON).await;
    });
    scene.proxy().welcome(Welcome::Carry);
    assert_eq!(scene.until("hold", TaskState::Completed, SOON).await.crashes, 0);
    assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    worker.stopped().await.unwrap();
}

/// A firewall that forgets quiet connections, and resets them at their next byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_a_forgotten_idle_connection_costs_no_task_and_no_stall() {
    on_each(&EACH, async |kind, setup| {
        let scene = Scene::proxied(kind, "t6").await;
        scene.proxy().forget_idle(Some(Duration::from_millis(400)));
        let workers = scene.start_all(setup);
        for n in 0..8 {
            // Longer than the firewall remembers.
            tokio::time::sleep(Duration::from_millis(500)).await;
            scene.add(&scene.client, Note {}, &format!("quiet.{n}"), Duration::ZERO).await.unwrap();
        }
        scene.burst("b", 10).await;
        scene.all_ran(SOON).await;
        scene.runs_again("tick", SOON).await;
        assert!(workers.iter().all(|worker| worker.health.is_ready()));
        stop(workers).await;
    })
    .await;
}
