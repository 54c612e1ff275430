//! What waiting costs the server, and how soon it ends.

use std::time::{Duration, Instant};

use docket_core::{Heartbeat, HeartbeatAnswer, NewTask, Payload, QueueBackend};
use docket_redis::RedisBackend;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::server::Server;
use crate::work::{add, ask, connect, keys, later, take, task};

/// Scripts and blocking reads sent so far.
async fn sent(server: &Server) -> u64 {
    let stats: String = server.tell("INFO commandstats").await;
    let calls = |line: &str| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok();
    let lines = stats.lines().filter(|line| line.starts_with("cmdstat_evalsha:") || line.starts_with("cmdstat_blpop:"));
    lines.filter_map(calls).sum()
}

/// So many workers, each on a handle of its own, waiting; each brings how many tasks it got.
async fn waiting(server: &Server, store: &RedisBackend, workers: usize, wait: Duration) -> JoinSet<usize> {
    let mut all = JoinSet::new();
    for n in 0..workers {
        let store = store.fork();
        all.spawn(async move { store.lease(&ask(&format!("worker-{n}"), wait)).await.expect("answered").leases.len() });
    }
    let blocked = format!("blocked_clients:{workers}");
    while server.tell::<String>("INFO clients").await.lines().all(|line| line != blocked) {
        sleep(Duration::from_millis(5)).await;
    }
    all
}

#[tokio::test]
async fn a_wait_costs_three_commands_however_long_it_is() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    let before = sent(&server).await;
    let reply = store.lease(&ask("worker", Duration::from_secs(2))).await.unwrap();
    assert!(reply.leases.is_empty());
    // A look, a blocking read, a last look. (A script that was not known is sent twice.)
    assert!(sent(&server).await - before <= 4, "{}", sent(&server).await - before);
}

/// The last look of one call is the first of the next. The server counts a block in whole milliseconds: one that ended
/// a little before the call was over cost a look and a read more.
#[tokio::test]
async fn an_idle_worker_sends_two_commands_per_check_interval() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    let wait = || async { store.lease(&ask("worker", Duration::from_micros(1_000_950))).await.expect("answered") };
    wait().await;
    let before = sent(&server).await;
    for _ in 0..4 {
        assert!(wait().await.leases.is_empty());
    }
    assert_eq!(sent(&server).await - before, 8);
    add(&store, task("a")).await.unwrap();
    assert_eq!(keys(&wait().await), ["a"], "what was added between two calls is not missed");
}

/// A heartbeat must not rewrite the whole task: a mebibyte of args used to be logged each time.
#[tokio::test]
async fn a_renewal_writes_next_to_nothing_however_large_the_task_is() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    add(&store, NewTask { args: Payload::new(vec![b'0'; 1 << 20]), ..task("large") }).await.unwrap();
    let lease = take(&store).await.unwrap().leases.remove(0);
    let before = server.number_of("aof_current_size").await;
    let beat = Heartbeat {
        worker: ask("worker", Duration::ZERO).worker,
        tokens: vec![lease.token],
        lease_for: Duration::from_secs(10),
    };
    assert_eq!(store.heartbeat(&beat).await.unwrap().remove(0).unwrap(), HeartbeatAnswer::Held);
    let grown = server.number_of("aof_current_size").await - before;
    assert!((1..2_048).contains(&grown), "{grown} bytes");
}

/// A waiter that was armed for a due time and vanished leaves it to another.
#[tokio::test]
async fn a_worker_that_does_not_come_back_holds_up_nobody() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    add(&store, later("a", Duration::from_secs(5))).await.unwrap();
    let start = Instant::now();
    store.lease(&ask("gone", Duration::from_secs(1))).await.unwrap();
    let mut all = waiting(&server, &store, 1, Duration::from_secs(20)).await;
    assert_eq!(all.join_next().await.unwrap().unwrap(), 1);
    let late = start.elapsed().saturating_sub(Duration::from_secs(5));
    assert!(late < Duration::from_millis(250), "{late:?} late");
}

#[tokio::test]
async fn one_add_wakes_few_of_many() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    let mut all = waiting(&server, &store, 30, Duration::from_secs(20)).await;
    add(&store, task("warm-up")).await.unwrap();
    assert_eq!(all.join_next().await.unwrap().unwrap(), 1);
    // The standby polls a little later.
    sleep(Duration::from_secs(1)).await;
    let before = sent(&server).await;
    add(&store, task("a")).await.unwrap();
    assert_eq!(all.join_next().await.unwrap().unwrap(), 1);
    sleep(Duration::from_secs(1)).await;
    // The add, the poll that takes it, one waiter that polls and blocks again, and the standby,
    // which blocks, polls and blocks again.
    assert!(sent(&server).await - before <= 7, "{} commands for one task", sent(&server).await - before);
}

/// No second standby is asked while one still has to poll.
#[tokio::test]
async fn many_adds_in_a_row_cost_few_looks_on_standby() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    let mut all = waiting(&server, &store, 40, Duration::from_secs(20)).await;
    let (before, start, adds) = (sent(&server).await, Instant::now(), 30);
    for n in 0..adds {
        add(&store, task(&n.to_string())).await.unwrap();
        assert_eq!(all.join_next().await.unwrap().unwrap(), 1);
    }
    let standbys = 1 + u64::try_from(start.elapsed().as_millis() / 400).unwrap();
    sleep(Duration::from_secs(1)).await;
    let sent = sent(&server).await - before;
    // The add, the poll that takes it, three for each standby, and a few for the deadlines.
    assert!(sent <= 2 * adds + 6 * standbys + 10, "{sent} commands for {adds} tasks, {standbys} on standby");
}

#[tokio::test]
async fn a_due_time_wakes_few_of_many() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    add(&store, later("a", Duration::from_millis(1_500))).await.unwrap();
    let start = Instant::now();
    let mut all = waiting(&server, &store, 30, Duration::from_secs(20)).await;
    let before = sent(&server).await;
    assert_eq!(all.join_next().await.unwrap().unwrap(), 1);
    let late = start.elapsed().saturating_sub(Duration::from_millis(1_500));
    assert!(late < Duration::from_millis(250), "{late:?} late");
    // The two on standby look a while later.
    sleep(Duration::from_millis(1_200)).await;
    // Three times the end of a read and a look, and two reads again. (A script that was not known is sent twice.)
    let sent = sent(&server).await - before;
    assert!((2..=9).contains(&sent), "{sent} commands for one due time");
}

/// Every waiter knows of the task, and none polls before it is due.
#[tokio::test]
async fn a_task_for_later_costs_idle_workers_nothing() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    add(&store, later("a", Duration::from_secs(3_600))).await.unwrap();
    let workers: Vec<_> = (0..5).map(|n| (store.fork(), format!("worker-{n}"))).collect();
    let wait = async || {
        let mut all = JoinSet::new();
        for (store, name) in &workers {
            let (store, name) = (store.clone(), name.clone());
            all.spawn(async move { store.lease(&ask(&name, Duration::from_secs(1))).await.expect("answered").leases });
        }
        assert!(all.join_all().await.iter().all(Vec::is_empty));
    };
    wait().await;
    let before = sent(&server).await;
    for _ in 0..3 {
        wait().await;
    }
    assert_eq!(sent(&server).await - before, 3 * 5 * 2);
}

#[tokio::test]
async fn an_add_is_leased_within_milliseconds() {
    let server = Server::start(&["--appendfsync", "everysec"]).await;
    let (store, worker) = (connect(&server).await, connect(&server).await);
    let mut times = Vec::new();
    for n in 0..100 {
        let request = ask("worker", Duration::from_secs(20));
        let lease = async { (worker.lease(&request).await.expect("answered"), Instant::now()) };
        let added = async {
            sleep(Duration::from_millis(5)).await;
            let start = Instant::now();
            add(&store, task(&format!("{n}"))).await.expect("added");
            start
        };
        let ((reply, end), start) = tokio::join!(lease, added);
        assert_eq!(keys(&reply), [n.to_string()]);
        times.push(end.saturating_duration_since(start));
    }
    times.sort_unstable();
    // The median, so that a busy machine does not decide; the bench shows the rest.
    assert!(times[50] < Duration::from_millis(10), "{:?}", times[50]);
}
