//! What it costs the server that a worker serves many queues.

use std::time::Duration;

use docket_core::{Inspect, LeaseRequest, NewTask, Queue, QueueBackend};
use docket_redis::RedisBackend;

use crate::server::Server;
use crate::work::{add, ask, completed, connect, keys, later, task};

const TASKS: usize = 25;

fn queue(n: usize) -> Queue {
    Queue::new(format!("q{n}")).expect("a queue's name")
}

/// Microseconds that the server worked on scripts and reads.
async fn worked(server: &Server) -> u64 {
    let stats: String = server.tell("INFO commandstats").await;
    let names = ["cmdstat_evalsha:", "cmdstat_eval:", "cmdstat_blpop:"];
    let lines = stats.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    lines.filter_map(|line| line.split_once("usec=")?.1.split(',').next()?.parse::<u64>().ok()).sum()
}

/// A worker of so many queues, each with something scheduled in it.
async fn served(store: &RedisBackend, queues: usize) -> LeaseRequest {
    let all: Vec<Queue> = (0..queues).map(queue).collect();
    let hour = Duration::from_secs(3_600);
    let scheduled = all.iter().map(|queue| NewTask { queue: queue.clone(), ..later(queue.as_str(), hour) });
    store.add(&scheduled.collect::<Vec<_>>()).await.expect("added");
    LeaseRequest { queues: all, count: 1, ..ask("worker", Duration::from_secs(20)) }
}

/// What one task costs, from the add to its end, when it meets an idle worker of so many queues.
async fn cost_of_one(queues: usize) -> u64 {
    let server = Server::start(&["--appendonly", "no"]).await;
    let store = connect(&server).await;
    let request = served(&store, queues).await;
    let mut before = 0;
    for n in 0..=TASKS {
        if n == 1 {
            // The first made the scripts known.
            before = worked(&server).await;
        }
        let (worker, request) =
            (store.fork(), LeaseRequest { request: ask("w", Duration::ZERO).request, ..request.clone() });
        let waiting = tokio::spawn(async move { worker.lease(&request).await.expect("answered") });
        while server.number_of("blocked_clients").await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let now = NewTask { queue: queue(n * queues / (TASKS + 1)), ..task(&format!("now-{n}")) };
        add(&store, now).await.expect("added");
        let leased = waiting.await.expect("no panic").leases;
        assert_eq!(leased.len(), 1);
        store.ack(&[completed(&leased[0])]).await.expect("settled");
    }
    (worked(&server).await - before) / TASKS as u64
}

/// Each poll used to go through all lanes several times: 250 ms of the server's one thread per task
/// at 990 queues.
#[tokio::test]
async fn a_task_costs_what_is_due_and_not_what_is_served() {
    let (few, many) = (cost_of_one(10).await, cost_of_one(990).await);
    println!("{few} µs per task with 10 queues, {many} µs with 990");
    // A hundred times as many are named in each call, and waited for.
    assert!(many < few * 25 + 5_000, "{few} µs per task with 10 queues, {many} µs with 990");
}

/// Tasks of other lanes come and go, and the time that a lane is listed by is corrected on the way.
#[tokio::test]
async fn what_comes_next_of_many_lanes_is_known() {
    let server = Server::start(&["--appendonly", "no"]).await;
    let store = connect(&server).await;
    let request = LeaseRequest { wait: Duration::ZERO, ..served(&store, 300).await };
    let look = async || {
        let request = LeaseRequest { request: ask("w", Duration::ZERO).request, ..request.clone() };
        store.lease(&request).await.expect("answered")
    };
    for n in (0..300).step_by(7) {
        let soon = NewTask { queue: queue(n), ..later(&format!("soon-{n}"), Duration::from_millis(300)) };
        add(&store, soon).await.unwrap();
    }
    let first = look().await;
    assert!(first.leases.is_empty() && first.next_visible.unwrap() <= Duration::from_millis(300), "{first:?}");
    tokio::time::sleep(Duration::from_millis(310)).await;
    let mut found = Vec::new();
    while let Some(lease) = look().await.leases.pop() {
        store.ack(&[completed(&lease)]).await.unwrap();
        found.push(lease.token.key.to_string());
    }
    // By precedence: in the order of the queues.
    assert_eq!(found, (0..300).step_by(7).map(|n| format!("soon-{n}")).collect::<Vec<_>>());
    let last = look().await;
    assert!(keys(&last).is_empty() && last.next_visible.unwrap() > Duration::from_secs(50 * 60), "{last:?}");
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}
