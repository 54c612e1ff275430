//! `docket show`, `docket ls`, `docket stats`, `docket workers`.

use docket::{LaneCounts, ListFilter, TaskKey, TaskState, limits};
use serde_json::{Value, json};

use crate::args::{Format, ListArgs, Place};
use crate::end::{End, Outcome};
use crate::place::Accept;
use crate::{output, shapes};

/// Shows one task.
pub(crate) async fn show(place: &Place, key: &TaskKey, format: Format) -> Outcome {
    let docket = place.open_shared("show", Accept::Any).await?;
    let view = docket.store().get(key).await?;
    let view = view.ok_or_else(|| End::not_found(format!("there is no task {key}")))?;
    let task = shapes::task(&view);
    if format.json {
        output::json(&task)?;
        return Ok(());
    }
    for (field, value) in task.told() {
        output::line(&format!("{field:<11} {value}"))?;
    }
    Ok(())
}

/// Lists tasks, page by page, up to the limit.
pub(crate) async fn list(place: &Place, args: ListArgs) -> Outcome {
    let docket = place.open_shared("ls", Accept::Any).await?;
    let filter = ListFilter { state: args.state, name: args.name, queue: None };
    let (mut tasks, mut cursor) = (Vec::new(), None);
    while tasks.len() < args.limit {
        let wanted = (args.limit - tasks.len()).min(limits::BATCH_ITEMS_MAX);
        let page = docket.store().list(&filter, cursor.as_ref(), wanted).await?;
        tasks.extend(page.tasks);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if args.format.json {
        output::json(&tasks.iter().map(shapes::task).collect::<Vec<_>>())?;
    } else {
        let rows: Vec<_> = tasks.iter().map(shapes::task_row).collect();
        output::table(["key", "name", "queue", "state", "attempt", "visible_at", "error"], &rows)?;
    }
    if cursor.is_some() {
        output::remark(&format!("there may be more than these {}; raise --limit", tasks.len()));
    }
    Ok(())
}

/// Counts tasks by queue and name.
pub(crate) async fn stats(place: &Place, format: Format) -> Outcome {
    let docket = place.open_shared("stats", Accept::Any).await?;
    let mut lanes = docket.store().counts().await?;
    lanes.sort_by(|a, b| (&a.queue, &a.name).cmp(&(&b.queue, &b.name)));
    if format.json {
        let name = docket.store().capabilities().docket;
        let totals: serde_json::Map<String, Value> =
            TaskState::ALL.into_iter().map(|state| (state.to_string(), total(&mut lanes, state).into())).collect();
        let lanes: Vec<Value> = lanes.iter().map(shapes::lane).collect();
        output::json(&json!({ "docket": name, "lanes": lanes, "totals": totals }))?;
    } else {
        let rows: Vec<_> = lanes.iter().map(lane_row).collect();
        let heading = [
            "queue",
            "name",
            "scheduled",
            "ready",
            "running",
            "moving",
            "completed",
            "dead",
            "cancelled",
            "oldest_ready",
        ];
        output::table(heading, &rows)?;
    }
    Ok(())
}

fn total(lanes: &mut [LaneCounts], state: TaskState) -> u64 {
    lanes.iter_mut().map(|lane| *lane.of(state)).sum()
}

fn lane_row(lane: &LaneCounts) -> [String; 10] {
    let oldest = lane.oldest_ready.map(shapes::age).unwrap_or_default();
    [
        lane.queue.to_string(),
        lane.name.to_string(),
        lane.scheduled.to_string(),
        lane.ready.to_string(),
        lane.running.to_string(),
        lane.moving.to_string(),
        lane.completed.to_string(),
        lane.dead.to_string(),
        lane.cancelled.to_string(),
        oldest,
    ]
}

/// Lists the live workers.
pub(crate) async fn workers(place: &Place, format: Format) -> Outcome {
    let docket = place.open_shared("workers", Accept::Any).await?;
    let workers = docket.store().workers().await?;
    if format.json {
        output::json(&workers.iter().map(shapes::worker).collect::<Vec<_>>())?;
    } else {
        let rows: Vec<_> = workers.iter().map(shapes::worker_row).collect();
        output::table(["id", "queues", "running", "concurrency", "settled", "leased_ago", "names"], &rows)?;
    }
    Ok(())
}
