//! I9 Unknown is untouched: a name or a queue that nobody asked for is never leased, moved or counted.

use docket_core::{HeartbeatAnswer, LeaseRequest, TaskState, limits};

use crate::stage::{Ask, Edit, LEASE, SECOND, Stage, ask, keys, task};

/// During a deploy an old worker dropped, discarded or failed a name it did not know. Here it does not see it.
pub(crate) async fn unasked_name_is_untouched(stage: Stage) {
    stage.add(task("a").name("new_in_this_release")).await;
    let before = stage.view("a").await;
    for _ in 0..20 {
        stage.nothing_to_lease().await;
        stage.advance(SECOND * 60).await;
    }
    assert_eq!(stage.view("a").await, before);
    let lease = &stage.lease(&ask(1).names(&["new_in_this_release"])).await.leases[0];
    assert_eq!((lease.attempts, lease.crashes), (0, 0));
}

pub(crate) async fn unasked_queue_is_untouched(stage: Stage) {
    stage.add(task("a").queue("media")).await;
    let before = stage.view("a").await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.view("a").await, before);
}

pub(crate) async fn both_name_and_queue_must_be_asked_for(stage: Stage) {
    stage.add(task("a").name("scan").queue("media")).await;
    for (name, queue) in [("scan", "default"), ("work", "media"), ("work", "default")] {
        assert!(stage.lease(&ask(10).names(&[name]).queues(&[queue])).await.leases.is_empty());
    }
}

pub(crate) async fn an_unasked_lost_lease_is_not_counted(stage: Stage) {
    let lease = stage.running(task("a").name("other").max_crashes(1)).await;
    stage.advance(LEASE * 2).await;
    let reply = stage.lease(&ask(10)).await;
    assert_eq!((reply.leases.len(), reply.swept.crashed), (0, 0));
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
}

pub(crate) async fn a_name_nobody_serves_waits_for_its_worker(stage: Stage) {
    stage.add(task("a").name("other")).await;
    stage.advance(limits::DEAD_RETENTION * 10).await;
    stage.trim().await;
    assert_eq!(stage.state("a").await, TaskState::Ready);
    assert_eq!(keys(&stage.lease(&ask(1).names(&["other"])).await.leases), ["a"]);
}

/// A queue whose first tasks nobody here can run must not hide the tasks behind them.
pub(crate) async fn a_crowd_of_unknown_tasks_hides_nothing(stage: Stage) {
    let strangers: Vec<_> = (0..1_000).map(|n| task(&format!("stranger-{n}")).name("other")).collect();
    stage.add_all(&strangers).await;
    stage.add("known").await;
    assert_eq!(keys(&stage.lease(&ask(1)).await.leases), ["known"]);
}

pub(crate) async fn it_is_no_ready_work_of_this_worker(stage: Stage) {
    stage.add(task("a").name("other")).await;
    stage.add(task("b").queue("media")).await;
    stage.advance(SECOND * 60).await;
    let reply = stage.lease(&ask(10)).await;
    assert_eq!((reply.next_visible, reply.oldest_ready), (None, None));
}

pub(crate) async fn who_asks_for_nothing_gets_nothing(stage: Stage) {
    stage.add("a").await;
    let no_names = LeaseRequest { names: Vec::new(), ..ask(10) };
    let no_queues = LeaseRequest { queues: Vec::new(), ..ask(10) };
    for request in [no_names, no_queues] {
        let reply = stage.lease(&request).await;
        assert_eq!((reply.leases.len(), reply.next_visible), (0, None));
    }
}

/// A store that makes one text of queue and name must not read one lane as another.
pub(crate) async fn lanes_do_not_run_together(stage: Stage) {
    let lanes = [("a:b", "c"), ("a", "b:c"), ("a/b", "c"), ("a", "b/c"), ("a.b", "c"), ("a", "b.c")];
    for (queue, name) in lanes {
        stage.add(task(&format!("{queue} {name}")).queue(queue).name(name)).await;
    }
    for (queue, name) in lanes {
        let reply = stage.lease(&ask(10).queues(&[queue]).names(&[name])).await;
        assert_eq!(keys(&reply.leases), [format!("{queue} {name}")]);
    }
}

pub(crate) async fn a_worker_may_know_a_thousand_names(stage: Stage) {
    let names: Vec<String> = (0..limits::LEASE_NAMES_MAX).map(|n| format!("name-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in ["name-0", "name-500", "name-999", "name-1000"] {
        stage.add(task(name).name(name)).await;
    }
    let reply = stage.lease(&ask(10).names(&names)).await;
    assert_eq!(keys(&reply.leases), ["name-0", "name-500", "name-999"]);
}

pub(crate) async fn another_docket_is_another_world(stage: Stage) {
    let other = stage.neighbour().await;
    let lease = stage.running("a").await;
    assert!(other.get("a").await.is_none());
    other.nothing_to_lease().await;
    assert_eq!(other.heartbeat(&lease).await, HeartbeatAnswer::Lost);
    assert_eq!(other.add("a").await, docket_core::AddAnswer::Added);
    assert_eq!(other.docket().as_str(), format!("{}.1", stage.docket()));
    assert_eq!(stage.state("a").await, TaskState::Running);
}
