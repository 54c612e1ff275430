//! A task starts in time, whichever of the waiters armed for it or woken for it are gone, while
//! another waiter is there.

use std::time::{Duration, Instant};

use docket_core::QueueBackend;
use docket_redis::{Options, RedisBackend};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::proxy::Proxy;
use crate::server::Server;
use crate::work::{add, ask, connect, docket, keys, later, take, task};

/// The promise is one second; the other is for a busy machine. The next poll would come after
/// [`WAIT`].
const LATE_MAX: Duration = Duration::from_secs(2);
/// Far longer than any due time here.
const WAIT: Duration = Duration::from_secs(20);

/// A worker whose connections can be cut, or silenced.
async fn mortal(server: &Server) -> (RedisBackend, Proxy) {
    let proxy = Proxy::before(server).await;
    let store = RedisBackend::connect(&proxy.url(), docket(), Options::default()).await.expect("the server is sound");
    (store, proxy)
}

/// A worker as its loop is: it goes on until it has a task, whatever comes. It brings the task, and when it had it.
fn worker(store: &dyn QueueBackend, name: &'static str) -> JoinHandle<(Vec<String>, Instant)> {
    let store = store.fork();
    tokio::spawn(async move {
        loop {
            match store.lease(&ask(name, WAIT)).await {
                Ok(reply) => return (keys(&reply).into_iter().map(str::to_owned).collect(), Instant::now()),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    })
}

async fn blocked(server: &Server, count: usize) {
    let line = format!("blocked_clients:{count}");
    while server.tell::<String>("INFO clients").await.lines().all(|found| found != line) {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn in_time(worker: JoinHandle<(Vec<String>, Instant)>, due: Instant) {
    let (found, at) = worker.await.expect("it has no end but this");
    assert_eq!(found, ["a"]);
    let late = at.saturating_duration_since(due);
    assert!(late < LATE_MAX, "{late:?} late");
}

#[tokio::test]
async fn a_due_task_starts_in_time_though_the_waiter_armed_for_it_is_killed() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    add(&store, later("a", Duration::from_secs(2))).await.unwrap();
    let due = Instant::now() + Duration::from_secs(2);
    let first = worker(&dies, "first");
    blocked(&server, 1).await;
    let second = worker(&store, "second");
    blocked(&server, 2).await;
    proxy.cut();
    in_time(second, due).await;
    first.abort();
}

/// The worker returns as another waiter, and its earlier self is in nobody's way.
#[tokio::test]
async fn a_due_task_starts_in_time_after_any_number_of_restarts() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    add(&store, later("a", Duration::from_secs(5))).await.unwrap();
    let due = Instant::now() + Duration::from_secs(5);
    let first = worker(&dies, "first");
    blocked(&server, 1).await;
    let second = worker(&store, "second");
    blocked(&server, 2).await;
    for _ in 0..2 {
        server.kill9();
        server.restart().await;
        blocked(&server, 2).await;
    }
    proxy.cut();
    in_time(second, due).await;
    first.abort();
}

/// The longest waiter is the first to be woken, and this one vanished silently.
#[tokio::test]
async fn a_new_due_time_is_told_to_more_than_one_waiter() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    let first = worker(&dies, "first");
    blocked(&server, 1).await;
    let second = worker(&store, "second");
    blocked(&server, 2).await;
    proxy.silence();
    add(&store, later("a", Duration::from_secs(1))).await.unwrap();
    in_time(second, Instant::now() + Duration::from_secs(1)).await;
    first.abort();
}

/// The next due time comes while the one who was armed for it works.
#[tokio::test]
async fn a_waiter_that_is_served_is_not_missed_though_its_successor_is_killed() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    add(&store, later("a", Duration::from_secs(2))).await.unwrap();
    let due = Instant::now() + Duration::from_secs(2);
    let busy = worker(&store, "busy");
    blocked(&server, 1).await;
    let second = worker(&dies, "second");
    blocked(&server, 2).await;
    let third = worker(&store, "third");
    blocked(&server, 3).await;
    // The longest waiter has it.
    add(&store, task("now")).await.unwrap();
    assert_eq!(busy.await.unwrap().0, ["now"]);
    proxy.cut();
    in_time(third, due).await;
    second.abort();
}

/// A killed worker delays what it was armed for, and nothing later.
#[tokio::test]
async fn a_moment_that_has_passed_is_in_the_way_of_no_later_one() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    add(&store, later("before", Duration::from_millis(700))).await.unwrap();
    let gone = worker(&dies, "gone");
    blocked(&server, 1).await;
    proxy.cut();
    sleep(Duration::from_millis(800)).await;
    assert_eq!(keys(&take(&store).await.unwrap()), ["before"]);
    add(&store, later("a", Duration::from_secs(1))).await.unwrap();
    in_time(worker(&store, "here"), Instant::now() + Duration::from_secs(1)).await;
    gone.abort();
}

/// The longest waiter takes the wake-up, and is gone before it polls.
#[tokio::test]
async fn a_task_for_now_starts_in_time_though_whoever_took_its_wake_up_is_killed() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    let first = worker(&dies, "first");
    blocked(&server, 1).await;
    let second = worker(&store, "second");
    blocked(&server, 2).await;
    proxy.silence();
    add(&store, task("a")).await.unwrap();
    in_time(second, Instant::now()).await;
    first.abort();
}

/// A full worker leaves a task to others: two of them learn of it as well.
#[tokio::test]
async fn what_a_full_worker_leaves_starts_in_time_though_whoever_took_its_wake_up_is_killed() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    let takes = worker(&store, "takes");
    blocked(&server, 1).await;
    let first = worker(&dies, "first");
    blocked(&server, 2).await;
    let second = worker(&store, "second");
    blocked(&server, 3).await;
    proxy.silence();
    // One call takes ten of them.
    let tasks: Vec<_> = "0 1 2 3 4 5 6 7 8 9 a".split(' ').map(task).collect();
    store.add(&tasks).await.unwrap();
    let due = Instant::now();
    assert_eq!(takes.await.unwrap().0.len(), 10);
    in_time(second, due).await;
    first.abort();
}

/// The standby is woken for another task, and is busy from then on.
#[tokio::test]
async fn a_standby_that_is_served_is_counted_on_by_nobody() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    let longest = worker(&store, "longest");
    blocked(&server, 1).await;
    let standby = worker(&store, "standby");
    blocked(&server, 2).await;
    add(&store, task("now")).await.unwrap();
    assert_eq!(longest.await.unwrap().0, ["now"]);
    blocked(&server, 1).await;
    add(&store, task("served")).await.unwrap();
    assert_eq!(standby.await.unwrap().0, ["served"]);
    let first = worker(&dies, "first");
    blocked(&server, 1).await;
    let second = worker(&store, "second");
    blocked(&server, 2).await;
    proxy.silence();
    add(&store, task("a")).await.unwrap();
    in_time(second, Instant::now()).await;
    first.abort();
}

/// The caller of the standby goes away: another waiter polls in its place.
#[tokio::test]
async fn a_standby_that_is_given_up_hands_its_look_over() {
    let server = Server::start(&[]).await;
    let (dies, proxy) = mortal(&server).await;
    let store = connect(&server).await;
    let first = worker(&dies, "first");
    blocked(&server, 1).await;
    let standby = worker(&store, "standby");
    blocked(&server, 2).await;
    let third = worker(&store, "third");
    blocked(&server, 3).await;
    proxy.silence();
    add(&store, task("a")).await.unwrap();
    let due = Instant::now();
    standby.abort();
    in_time(third, due).await;
    first.abort();
}
