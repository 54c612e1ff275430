//! A worker that serves very many queues.

use std::time::{Duration, Instant};

use conformance_tests::servers::postgres_url;
use docket_core::{LeaseRequest, NewTask, Queue, QueueBackend, RunAt};
use docket_postgres::PostgresBackend;

use crate::work::{ask, completed, docket, options, task};

const QUEUES: usize = 990;
const DUE: usize = 25;

fn queue(n: usize) -> Queue {
    Queue::new(format!("q{n}")).unwrap()
}

fn request(wait: Duration) -> LeaseRequest {
    LeaseRequest { queues: (0..QUEUES).map(queue).collect(), count: DUE, ..ask("worker", wait) }
}

/// Each look once cost each queue that was served: with something scheduled in 990 of them, a lease took 0.85 s.
#[tokio::test]
async fn a_lease_costs_what_is_due_and_not_what_is_served() {
    let url = postgres_url().await;
    let store = PostgresBackend::connect(&url, docket(), options("many_lanes")).await.unwrap();
    let later = Duration::from_hours(1);
    let scheduled: Vec<_> = (0..QUEUES)
        .map(|n| NewTask {
            queue: queue(n),
            run_at: RunAt::In(later + Duration::from_secs(n as u64)),
            ..task(&format!("later-{n}"))
        })
        .collect();
    store.add(&scheduled).await.unwrap().into_iter().for_each(|answer| assert!(answer.is_ok()));
    let mut took = Vec::new();
    for round in 0..4 {
        let due = (0..DUE).map(|n| NewTask { queue: queue(n * 39), ..task(&format!("due-{round}-{n}")) });
        store.add(&due.collect::<Vec<_>>()).await.unwrap().into_iter().for_each(|answer| assert!(answer.is_ok()));
        let began = Instant::now();
        let reply = store.lease(&request(Duration::ZERO)).await.unwrap();
        took.push(began.elapsed());
        let queues: Vec<_> = reply.leases.iter().map(|lease| lease.queue.clone()).collect();
        assert_eq!(queues, (0..DUE).map(|n| queue(n * 39)).collect::<Vec<_>>(), "in order of precedence");
        // The leases are there as well, and come first.
        assert!(reply.next_visible.is_some_and(|next| next <= Duration::from_secs(10)), "{:?}", reply.next_visible);
        let acks: Vec<_> = reply.leases.iter().map(completed).collect();
        store.ack(&acks).await.unwrap();
        let none = store.lease(&request(Duration::ZERO)).await.unwrap();
        let next = none.next_visible.unwrap();
        assert!(none.leases.is_empty() && next <= later && next > later / 2, "{next:?}");
    }
    // The first makes plans. 10 to 30 ms on an idle machine.
    assert!(took[1..].iter().min().unwrap() < &Duration::from_millis(250), "{took:?}");
}

/// A task added to one of very many queues wakes a waiter for all of them.
#[tokio::test]
async fn who_waits_for_many_queues_is_woken_by_one() {
    let url = postgres_url().await;
    let store = PostgresBackend::connect(&url, docket(), options("many_waits")).await.unwrap();
    for (delay, at_least) in
        [(Duration::ZERO, Duration::ZERO), (Duration::from_millis(700), Duration::from_millis(600))]
    {
        let waiting = tokio::spawn({
            let store = store.fork();
            async move { store.lease(&request(Duration::from_secs(20))).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let run_at = if delay.is_zero() { RunAt::Now } else { RunAt::In(delay) };
        let added = Instant::now();
        store.add(&[NewTask { queue: queue(700), run_at, ..task("a") }]).await.unwrap().remove(0).unwrap();
        let reply = waiting.await.unwrap().unwrap();
        assert_eq!(reply.leases.len(), 1);
        assert!((at_least..Duration::from_secs(3)).contains(&added.elapsed()), "{:?}", added.elapsed());
        store.ack(&[completed(&reply.leases[0])]).await.unwrap();
    }
}
