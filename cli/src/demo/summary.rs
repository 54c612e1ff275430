//! The result of each task, and the archive's path.

use std::path::Path;

use docket::{Docket, Task as _, TaskKey, TaskState, TaskView};
use docket_tasks::{ExportReport, ProcessExport};
use zip::ZipArchive;

use super::words::outcome;
use crate::end::{End, Outcome};
use crate::output;

/// Prints it, and gives the tasks; fails if any of them did not do what it was added for.
pub(super) async fn print(docket: &Docket, keys: &[TaskKey], folder: &Path) -> Result<Vec<TaskView>, End> {
    let mut tasks = Vec::new();
    for key in keys {
        let task = docket.store().get(key).await?;
        tasks.push(task.ok_or_else(|| End::failed(format!("{key} is gone")))?);
    }
    for task in tasks.iter().filter(|task| task.name.as_str() == ProcessExport::NAME) {
        archive(task, folder)?;
    }
    let rows: Vec<[String; 4]> = tasks.iter().map(row).collect();
    output::line("")?;
    output::table(["TASK", "STATE", "RUNS", "RESULT"], &rows)?;
    match tasks.iter().filter(|task| !is_done(task)).count() {
        0 => Ok(tasks),
        undone => Err(End::failed(format!("{undone} of {} tasks did not complete", tasks.len()))),
    }
}

fn row(task: &TaskView) -> [String; 4] {
    let runs = task.attempts + task.crashes + u32::from(is_done(task));
    [task.key.to_string(), task.state.to_string(), runs.to_string(), outcome(task)]
}

/// A periodic task is never completed: it has run, and waits for its next time.
fn is_done(task: &TaskView) -> bool {
    let has_run = task.fence.is_some() && task.failures == 0 && task.state == TaskState::Scheduled;
    task.state == TaskState::Completed || (task.every.is_some() && has_run)
}

/// Opens the finished archive and lists what is in it.
fn archive(task: &TaskView, folder: &Path) -> Outcome {
    let Some(report) = task.result.as_ref().and_then(|r| r.decode::<ExportReport>().ok()) else {
        return Ok(());
    };
    let path = folder.join(report.archive_key);
    let unreadable = |error: &dyn std::fmt::Display| End::failed(format!("could not read {}: {error}", path.display()));
    let file = std::fs::File::open(&path).map_err(|e| unreadable(&e))?;
    let mut zip = ZipArchive::new(file).map_err(|e| unreadable(&e))?;
    output::line("")?;
    output::line(&format!("the archive is {} ({} bytes)", path.display(), report.bytes))?;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(|e| unreadable(&e))?;
        let name = entry.name().map_err(|e| unreadable(&e))?;
        output::line(&format!("  {:>9}  {name}", entry.size()))?;
    }
    Ok(())
}
