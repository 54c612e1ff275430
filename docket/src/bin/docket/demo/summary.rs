//! What became of each task, and where the archive is.

use std::path::Path;

use docket::{Docket, Key, State, TaskView};
use docket_tasks::{ExportReport, Missing, ProcessExport, ScanReport};
use zip::ZipArchive;

use crate::end::{End, Outcome};
use crate::output;

/// Prints it; fails if any task did not complete.
pub(super) async fn print(docket: &Docket, keys: &[Key], folder: &Path) -> Outcome {
    let mut rows = Vec::new();
    let mut unfinished = 0;
    for key in keys {
        let Some(task) = docket.store().get(key).await? else {
            return Err(End::failed(format!("{key} is gone")));
        };
        unfinished += u32::from(task.state != State::Completed);
        let runs = task.attempts + task.crashes + u32::from(task.state == State::Completed);
        rows.push([key.to_string(), task.state.to_string(), runs.to_string(), outcome(&task)]);
        if task.name.as_str() == <ProcessExport as docket::Task>::NAME {
            archive(&task, folder)?;
        }
    }
    output::line("")?;
    output::table(["TASK", "STATE", "RUNS", "RESULT"], &rows)?;
    if unfinished > 0 {
        return Err(End::failed(format!("{unfinished} of {} tasks did not complete", keys.len())));
    }
    Ok(())
}

/// The result in words, or the error.
fn outcome(task: &TaskView) -> String {
    let Some(result) = &task.result else {
        return task.error.clone().unwrap_or_default();
    };
    if let Ok(report) = serde_json::from_slice::<ExportReport>(result.as_bytes()) {
        let missing: Vec<String> = report.missing.iter().map(missing).collect();
        let counts = format!("{} of {} tracks", report.processed_count, report.total_count);
        return [vec![counts], missing].concat().join("; ");
    }
    match serde_json::from_slice(result.as_bytes()) {
        Ok(ScanReport::Scanned { state, match_count, .. }) => {
            format!("{state:?}, matches: {match_count}").to_lowercase()
        }
        Ok(ScanReport::AudioReplaced) => "the audio was replaced".to_owned(),
        Ok(ScanReport::Skipped { reason }) => format!("skipped: {reason}"),
        Err(error) => format!("the result does not decode: {error}"),
    }
}

fn missing(missing: &Missing) -> String {
    format!("{:?} left out: {}", missing.title, missing.reason)
}

/// Opens the finished archive and lists what is in it.
fn archive(task: &TaskView, folder: &Path) -> Outcome {
    let Some(report) = task.result.as_ref().and_then(|r| serde_json::from_slice::<ExportReport>(r.as_bytes()).ok())
    else {
        return Ok(());
    };
    let path = folder.join(report.archive_key);
    let unreadable = |error: &dyn std::fmt::Display| End::failed(format!("could not read {}: {error}", path.display()));
    let file = std::fs::File::open(&path).map_err(|e| unreadable(&e))?;
    let mut zip = ZipArchive::new(file).map_err(|e| unreadable(&e))?;
    output::line(&format!("\nthe archive is {} ({} bytes)", path.display(), report.bytes))?;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(|e| unreadable(&e))?;
        let name = entry.name().map_err(|e| unreadable(&e))?;
        output::line(&format!("  {:>9}  {name}", entry.size()))?;
    }
    Ok(())
}
