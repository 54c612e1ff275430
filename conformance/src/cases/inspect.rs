//! Reading shows the current records, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use docket_core::{Cursor, Heartbeat, LaneCounts, ListFilter, Outcome, Queue, Severity, TaskName, TaskState, TaskView};

use crate::stage::{Ask, Edit, LEASE, MICRO, SECOND, Stage, almost, ask, completed, key, payload, task};

fn filter(state: Option<TaskState>, name: Option<&str>, queue: Option<&str>) -> ListFilter {
    ListFilter {
        state,
        name: name.map(|text| TaskName::new(text).expect("a case uses good names")),
        queue: queue.map(|text| Queue::new(text).expect("a case uses good queues")),
    }
}

/// Follows the pages to the end.
async fn list_all(stage: &Stage, filter: &ListFilter, limit: usize) -> Vec<TaskView> {
    let (mut tasks, mut cursor): (Vec<TaskView>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = stage.store().list(filter, cursor.as_ref(), limit).await.expect("tasks can be listed");
        assert!(page.tasks.len() <= limit, "a page holds at most what was asked for");
        assert_eq!(page.now, stage.now());
        tasks.extend(page.tasks);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return tasks,
        }
    }
}

fn sorted(tasks: &[TaskView]) -> Vec<&str> {
    let mut keys: Vec<&str> = tasks.iter().map(|task| task.key.as_str()).collect();
    keys.sort_unstable();
    keys
}

/// One task per state, its state as key, and a late one: it is ready.
async fn one_in_each_state(stage: &Stage) {
    stage.moving(task("moving")).await;
    stage.running("late").await;
    stage.advance(LEASE).await;
    for (key, end) in [("completed", completed()), ("cancelled", Outcome::Cancelled)] {
        let lease = stage.running(task(key).queue("fast")).await;
        stage.settle(&lease, end).await;
    }
    let lease = stage.running(task("dead").name("other")).await;
    stage.die(&lease).await;
    stage.running(task("running").name("other")).await;
    stage.add(task("scheduled").queue("fast").after(SECOND)).await;
    stage.add("ready").await;
}

pub(crate) async fn get_shows_every_state(stage: Stage) {
    one_in_each_state(&stage).await;
    for state in TaskState::ALL {
        assert_eq!(stage.state(state.as_str()).await, state);
    }
    assert_eq!(stage.state("late").await, TaskState::Ready);
    assert_eq!(stage.get("absent").await, None);
}

pub(crate) async fn get_shows_the_whole_record(stage: Stage) {
    let added_at = stage.now();
    let draft = task("a").name("other").queue("fast").args("{}").every(SECOND * 60).max_attempts(5);
    stage.add(&draft).await;
    let view = stage.view("a").await;
    assert_eq!((&view.key, &view.name, &view.queue, &view.args), (&draft.key, &draft.name, &draft.queue, &draft.args));
    assert_eq!((view.added_at, view.visible_at, view.every), (added_at, added_at, draft.every));
    assert_eq!((view.fence, view.worker, view.error, view.result), (None, None, None, None));
    stage.advance(SECOND).await;
    let reply = stage.lease(&ask(1).by("worker-7").names(&["other"]).queues(&["fast"])).await;
    let view = stage.view("a").await;
    assert_eq!(view.worker.expect("somebody holds it").as_str(), "worker-7");
    assert_eq!((view.fence, view.added_at), (Some(reply.leases[0].token.fence), added_at));
    assert_eq!(view.visible_at, reply.leases[0].deadline);
}

pub(crate) async fn get_shows_when_a_task_finished(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(SECOND).await;
    stage.complete(&lease).await;
    let finished_at = stage.now();
    stage.advance(SECOND).await;
    let view = stage.view("a").await;
    assert_eq!(view.visible_at, finished_at);
    assert_eq!(view.worker.expect("somebody held it").as_str(), "worker-1");
}

pub(crate) async fn list_pages_through_everything_once(stage: Stage) {
    one_in_each_state(&stage).await;
    stage.add_many(45).await;
    for (n, lease) in stage.take(20).await.into_iter().enumerate() {
        if n % 2 == 0 {
            stage.complete(&lease).await;
        }
    }
    let all = list_all(&stage, &ListFilter::default(), 1_000).await;
    assert_eq!(all.len(), 53);
    assert_eq!(all.iter().map(|task| &task.key).collect::<BTreeSet<_>>().len(), 53);
    for limit in [1, 7, 53] {
        assert_eq!(list_all(&stage, &ListFilter::default(), limit).await, all, "in pages of {limit}");
    }
}

pub(crate) async fn list_shows_what_get_shows(stage: Stage) {
    one_in_each_state(&stage).await;
    for view in list_all(&stage, &ListFilter::default(), 3).await {
        assert_eq!(stage.view(view.key.as_str()).await, view);
    }
}

pub(crate) async fn list_filters_by_state(stage: Stage) {
    one_in_each_state(&stage).await;
    for state in TaskState::ALL {
        let found = list_all(&stage, &filter(Some(state), None, None), 1).await;
        let expected = if state == TaskState::Ready { vec!["late", "ready"] } else { vec![state.as_str()] };
        assert_eq!(sorted(&found), expected);
    }
}

pub(crate) async fn list_filters_by_name_and_queue(stage: Stage) {
    one_in_each_state(&stage).await;
    let found = list_all(&stage, &filter(None, Some("other"), None), 1).await;
    assert_eq!(sorted(&found), ["dead", "running"]);
    let found = list_all(&stage, &filter(None, None, Some("fast")), 1).await;
    assert_eq!(sorted(&found), ["cancelled", "completed", "scheduled"]);
    let found = list_all(&stage, &filter(Some(TaskState::Dead), Some("other"), Some("default")), 1).await;
    assert_eq!(sorted(&found), ["dead"]);
    let found = list_all(&stage, &filter(Some(TaskState::Dead), Some("work"), None), 1).await;
    assert!(found.is_empty(), "a filter that nothing passes comes to an end");
}

/// The last task of a page may be gone when the next page is asked for.
pub(crate) async fn a_cursor_outlives_its_task(stage: Stage) {
    stage.add_many(9).await;
    let all = ListFilter::default();
    let page = stage.store().list(&all, None, 3).await.expect("tasks can be listed");
    let mut seen: BTreeSet<String> = page.tasks.iter().map(|task| task.key.to_string()).collect();
    let first: Vec<String> = seen.iter().cloned().collect();
    for key in &first {
        stage.cancel(key).await;
    }
    let mut cursor = page.next;
    while let Some(at) = cursor {
        let page = stage.store().list(&all, Some(&at), 3).await.expect("tasks can be listed");
        seen.extend(page.tasks.iter().map(|task| task.key.to_string()));
        cursor = page.next;
    }
    assert_eq!(seen.len(), 9, "nothing that stayed was skipped: {seen:?}");
}

pub(crate) async fn a_cursor_nobody_gave_is_refused(stage: Stage) {
    stage.add("a").await;
    let cursor = Cursor("nobody gave this".to_owned());
    let refused = stage.store().list(&ListFilter::default(), Some(&cursor), 10).await;
    assert_eq!(crate::stage::refusal(&refused), docket_core::ErrorKind::Invalid);
}

pub(crate) async fn counts_agree_with_the_records(stage: Stage) {
    one_in_each_state(&stage).await;
    stage.add_many(30).await;
    for lease in stage.take(12).await.iter().take(5) {
        stage.complete(lease).await;
    }
    let mut lanes: BTreeMap<(Queue, TaskName), LaneCounts> = BTreeMap::new();
    for view in list_all(&stage, &ListFilter::default(), 100).await {
        let lane = lanes.entry((view.queue.clone(), view.name.clone()));
        *lane.or_insert_with(|| LaneCounts::empty(view.queue, view.name)).of(view.state) += 1;
    }
    let mut counts = stage.store().counts().await.expect("tasks can be counted");
    for lane in &mut counts {
        lane.oldest_ready = None;
    }
    counts.sort_by_key(|lane| (lane.queue.clone(), lane.name.clone()));
    assert_eq!(counts, lanes.into_values().collect::<Vec<_>>());
}

pub(crate) async fn counts_show_how_long_the_oldest_has_been_ready(stage: Stage) {
    stage.add(task("soon").after(SECOND)).await;
    let counts = stage.store().counts().await.expect("tasks can be counted");
    assert_eq!(counts[0].oldest_ready, None);
    stage.advance(SECOND * 3).await;
    stage.add("now").await;
    let counts = stage.store().counts().await.expect("tasks can be counted");
    assert_eq!((counts[0].ready, counts[0].oldest_ready), (2, Some(SECOND * 2)));
}

pub(crate) async fn counts_show_a_lost_lease_as_ready(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(LEASE + SECOND).await;
    let counts = stage.store().counts().await.expect("tasks can be counted");
    assert_eq!((counts[0].running, counts[0].ready, counts[0].oldest_ready), (0, 1, Some(SECOND)));
    stage.complete(&lease).await;
}

pub(crate) async fn a_worker_is_shown_until_it_expires(stage: Stage) {
    let request = ask(1).by("worker-9");
    stage.lease(&request).await;
    let shown = stage.store().workers().await.expect("workers can be listed");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].record, request.worker);
    stage.advance(almost(request.worker.ttl)).await;
    assert_eq!(stage.store().workers().await.expect("workers can be listed").len(), 1);
    stage.advance(MICRO).await;
    assert!(stage.store().workers().await.expect("workers can be listed").is_empty());
}

pub(crate) async fn a_worker_that_leaves_is_gone(stage: Stage) {
    let mut request = ask(1);
    stage.lease(&request).await;
    request.worker.ttl = Duration::ZERO;
    let beat = Heartbeat { worker: request.worker, tokens: Vec::new(), lease_for: LEASE };
    stage.store().heartbeat(&beat).await.expect("a heartbeat is answered");
    assert!(stage.store().workers().await.expect("workers can be listed").is_empty());
}

/// Alive but leasing nothing was the commonest silent failure: a heartbeat alone does not count as
/// a sign of life.
pub(crate) async fn a_worker_shows_when_it_last_leased(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(SECOND * 5).await;
    stage.heartbeat(&lease).await;
    let shown = stage.store().workers().await.expect("workers can be listed");
    assert_eq!(shown[0].leased_ago, Some(SECOND * 5));
    let beat = Heartbeat { worker: ask(1).by("never").worker, tokens: Vec::new(), lease_for: LEASE };
    stage.store().heartbeat(&beat).await.expect("a heartbeat is answered");
    let shown = stage.store().workers().await.expect("workers can be listed");
    let never = shown.iter().find(|view| view.record.id.as_str() == "never").expect("it beat");
    assert_eq!(never.leased_ago, None);
}

pub(crate) async fn a_workers_latest_record_is_shown(stage: Stage) {
    let mut request = ask(1);
    stage.lease(&request).await;
    request.worker.running = 7;
    request.worker.settled = 1_234;
    let beat = Heartbeat { worker: request.worker.clone(), tokens: Vec::new(), lease_for: LEASE };
    stage.store().heartbeat(&beat).await.expect("a heartbeat is answered");
    assert_eq!(stage.store().workers().await.expect("workers can be listed")[0].record, request.worker);
}

pub(crate) async fn reading_changes_nothing(stage: Stage) {
    one_in_each_state(&stage).await;
    let before = list_all(&stage, &ListFilter::default(), 100).await;
    let store = stage.store();
    store.counts().await.expect("tasks can be counted");
    store.workers().await.expect("workers can be listed");
    store.audit().await.expect("a docket can be audited");
    store.examine().await.expect("a store can be examined");
    store.get(&key("late")).await.expect("a task can be looked at");
    assert_eq!(list_all(&stage, &ListFilter::default(), 100).await, before);
    assert_eq!(stage.lease(&ask(1)).await.swept.crashed, 1, "the late lease was left for the lease call");
}

pub(crate) async fn examine_finds_nothing_that_loses_tasks(stage: Stage) {
    for finding in stage.store().examine().await.expect("a store can be examined") {
        assert_ne!(finding.severity, Severity::Danger, "{finding:?}");
        assert!(!finding.subject.is_empty() && !finding.found.is_empty(), "{finding:?}");
        let needs_advice = finding.severity != Severity::Ok;
        assert_eq!(needs_advice, !finding.advice.is_empty(), "{finding:?}");
    }
}

pub(crate) async fn payloads_stay_out_of_debug(stage: Stage) {
    stage.add(task("a").args("a secret")).await;
    let lease = stage.take_one().await;
    stage.settle(&lease, Outcome::Completed(Some(payload("another secret")))).await;
    let text = format!("{:?} {lease:?} {:?}", stage.view("a").await, stage.store());
    assert!(!text.contains("secret"), "{text}");
}
