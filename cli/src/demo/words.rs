//! The results of tasks, in words.

use docket::{Task, TaskView};
use docket_tasks::{
    ClassifyGenres, ExportReport, GenresReport, ListReport, Missing, MoveReport, MoveTrackAudio, Notified, NotifyFlag,
    NotifyReport, PdsComment, PdsLike, ProcessExport, RecordReport, ScanCopyright, ScanReport, ScrobbleReport,
    ScrobbleToTeal, SyncAlbumList, SyncAtproto, SyncReport,
};
use serde::de::DeserializeOwned;

/// The result in words, or the error.
pub(super) fn outcome(task: &TaskView) -> String {
    let Some(result) = &task.result else {
        let waits = task.every.map(|every| format!("comes again every {}", docket::display_duration(every)));
        return task.error.clone().or(waits).unwrap_or_default();
    };
    let told = told::<ProcessExport>(task, export)
        .or_else(|| told::<ScanCopyright>(task, scan))
        .or_else(|| told::<NotifyFlag>(task, |report| notices(&report)))
        .or_else(|| told::<ClassifyGenres>(task, genres))
        .or_else(|| told::<MoveTrackAudio>(task, |report| moved(&report)))
        .or_else(|| told::<PdsLike>(task, record))
        .or_else(|| told::<PdsComment>(task, record))
        .or_else(|| told::<ScrobbleToTeal>(task, scrobble))
        .or_else(|| told::<SyncAlbumList>(task, list))
        .or_else(|| told::<SyncAtproto>(task, sync));
    told.unwrap_or_else(|| String::from_utf8_lossy(result.as_bytes()).into_owned())
}

/// `None` if the task is not a `T`.
fn told<T: Task>(task: &TaskView, say: impl FnOnce(T::Output) -> String) -> Option<String>
where
    T::Output: DeserializeOwned,
{
    let result = task.result.as_ref().filter(|_| task.name.as_str() == T::NAME)?;
    Some(match result.decode() {
        Ok(output) => say(output),
        Err(error) => error.to_string(),
    })
}

fn export(report: ExportReport) -> String {
    let missing = |missing: Missing| format!("{:?} left out: {}", missing.title, missing.reason);
    let counts = format!("{} of {} tracks", report.processed_count, report.total_count);
    std::iter::once(counts).chain(report.missing.into_iter().map(missing)).collect::<Vec<_>>().join("; ")
}

fn scan(report: ScanReport) -> String {
    match report {
        ScanReport::Scanned { state, match_count, .. } => format!("{state:?}, matches: {match_count}").to_lowercase(),
        ScanReport::AudioReplaced => "the audio was replaced".to_owned(),
        ScanReport::Skipped { reason } => format!("skipped: {reason}"),
    }
}

fn notices(report: &NotifyReport) -> String {
    let notice = |notified: &Notified| match notified {
        Notified::Told => "told".to_owned(),
        Notified::Skipped { reason } => format!("not told ({reason})"),
    };
    match report {
        NotifyReport::Flagged { event, message } => {
            format!("moderators: {}; admin: {}", notice(event), notice(message))
        }
        NotifyReport::NotFlagged => "it is not flagged".to_owned(),
    }
}

fn genres(report: GenresReport) -> String {
    match report {
        GenresReport::Classified { top_genre, count, .. } => {
            format!("{count} genres, {} before all", top_genre.unwrap_or_default())
        }
        GenresReport::AudioReplaced => "the audio was replaced".to_owned(),
        GenresReport::Skipped { reason } => format!("skipped: {reason}"),
    }
}

fn moved(report: &MoveReport) -> String {
    match report {
        MoveReport::Placed { storage, copied, .. } => format!("{storage:?}, objects moved: {copied}").to_lowercase(),
        MoveReport::NoAudio => "it has no audio here".to_owned(),
    }
}

fn record(report: RecordReport) -> String {
    match report {
        RecordReport::Written(record) => format!("written: {}", record.uri),
        RecordReport::Deleted { uri } => format!("deleted: {uri}"),
        RecordReport::Nothing => "there is nothing, and nothing is wanted".to_owned(),
    }
}

fn scrobble(report: ScrobbleReport) -> String {
    match report {
        ScrobbleReport::Reported { status, .. } => format!("reported; status {status:?}").to_lowercase(),
        ScrobbleReport::Unwanted => "the listener wants no reports".to_owned(),
    }
}

fn list(report: ListReport) -> String {
    match report {
        ListReport::Written(record) => format!("written: {}", record.uri),
        ListReport::Unchanged(_) => "already up to date".to_owned(),
        ListReport::Empty => "it is empty".to_owned(),
        ListReport::Deleted => "the album is gone".to_owned(),
    }
}

fn sync(report: SyncReport) -> String {
    format!("records written: {}, unchanged: {}", report.written, report.unchanged)
}
