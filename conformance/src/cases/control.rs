//! The operator's side: clearing a docket, and joining it.

use docket_core::{AckAnswer, AddAnswer, ErrorKind, HeartbeatAnswer, ListFilter};

use crate::stage::{Edit, LEASE, SECOND, Stage, completed, keys, refusal, task};

/// A task in every state, with a successor, a suspect and a cancelled periodic task: twelve records.
async fn crowd(stage: &Stage) {
    stage.add(task("suspect")).await;
    for _ in 0..2 {
        stage.crash().await;
    }
    stage.add(task("late")).await;
    assert_eq!(stage.take(10).await.len(), 2);
    stage.advance(LEASE).await;
    for key in ["completed", "dead"] {
        let lease = stage.running(task(key).name("other")).await;
        if key == "dead" { stage.die(&lease).await } else { stage.complete(&lease).await }
    }
    stage.running(task("running").queue("fast")).await;
    stage.schedule(task("running").queue("fast")).await;
    stage.add(task("periodic task").every(SECOND)).await;
    stage.add("cancelled").await;
    stage.cancel("periodic task").await;
    stage.cancel("cancelled").await;
    stage.add(task("scheduled").after(SECOND)).await;
    stage.add("ready").await;
    stage.add(task("named").name("unserved")).await;
    stage.add(task("laned").queue("unserved")).await;
    stage.add(task("chained").every(SECOND).after(SECOND)).await;
}

pub(crate) async fn clear_takes_everything(stage: Stage) {
    crowd(&stage).await;
    assert_eq!(stage.clear().await, 12);
    let page = stage.store().list(&ListFilter::default(), None, 100).await.expect("tasks can be listed");
    assert!(page.tasks.is_empty() && page.next.is_none());
    assert!(stage.store().counts().await.expect("tasks can be counted").is_empty());
    assert!(stage.store().workers().await.expect("workers can be listed").is_empty());
    for key in ["suspect", "running", "dead", "periodic task", "scheduled"] {
        assert_eq!(stage.get(key).await, None, "{key}");
    }
    assert_eq!(stage.clear().await, 0);
}

/// `FLUSHDB` is how another queue cleared; its neighbours' work went too.
pub(crate) async fn clear_spares_other_dockets(stage: Stage) {
    // Its name starts like ours: a match by prefix would take it.
    let other = stage.neighbour().await;
    crowd(&other).await;
    let before = other.store().counts().await.expect("tasks can be counted");
    crowd(&stage).await;
    stage.clear().await;
    assert_eq!(other.store().counts().await.expect("tasks can be counted"), before);
    assert_eq!(other.clear().await, 12);
}

pub(crate) async fn clear_takes_many(stage: Stage) {
    stage.add_many(2_500).await;
    stage.take(700).await;
    assert_eq!(stage.clear().await, 2_500);
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_cleared_docket_goes_on(stage: Stage) {
    let lost = stage.running("a").await;
    stage.clear().await;
    assert_eq!(stage.heartbeat(&lost).await, HeartbeatAnswer::Lost);
    assert_eq!(stage.ack(&lost, completed()).await, AckAnswer::Stale);
    assert_eq!(stage.add("a").await, AddAnswer::Added);
    stage.add("b").await;
    assert_eq!(keys(&stage.take(10).await), ["a", "b"]);
    assert_eq!(stage.ack(&lost, completed()).await, AckAnswer::Stale);
}

/// A staging worker with production's address must not run production's work.
pub(crate) async fn another_environment_is_refused(stage: Stage) {
    stage.store().join(Some("staging")).await.expect("the first one names it");
    stage.store().join(Some("staging")).await.expect("the same one joins again");
    let refused = stage.store().join(Some("production")).await;
    assert_eq!(refusal(&refused), ErrorKind::Conflict);
    let message = refused.expect_err("it was refused").to_string();
    assert!(message.contains("staging") && message.contains("production"), "it names both: {message}");
    let refused = stage.fork().join(Some("production")).await;
    assert_eq!(refusal(&refused), ErrorKind::Conflict, "over any handle");
}

pub(crate) async fn who_names_no_environment_joins_any(stage: Stage) {
    stage.store().join(None).await.expect("nobody has named one");
    stage.store().join(Some("staging")).await.expect("nobody had named one");
    stage.store().join(None).await.expect("nothing to compare");
    assert_eq!(refusal(&stage.store().join(Some("production")).await), ErrorKind::Conflict);
}

pub(crate) async fn joining_changes_no_task(stage: Stage) {
    stage.add("a").await;
    let before = stage.view("a").await;
    stage.store().join(Some("staging")).await.expect("the first one names it");
    assert_eq!(stage.view("a").await, before);
    stage.take_one().await;
}

pub(crate) async fn environments_are_per_docket(stage: Stage) {
    let other = stage.neighbour().await;
    stage.store().join(Some("staging")).await.expect("the first one names it");
    other.store().join(Some("production")).await.expect("another docket is another matter");
}
