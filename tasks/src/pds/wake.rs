//! A login: runs the tasks that waited for it.

use docket_core::{Client, ListFilter, Result, Task as _, TaskName, TaskState};

use crate::{PdsComment, PdsLike, Record, ScrobbleToTeal, Social};

/// Records woken by one login; more than that come as they are tried again.
const RECORDS_MAX: usize = 1_000;
/// Pages of waiting plays looked through by one login.
const PAGES_MAX: usize = 20;
/// Plays of a page.
const PAGE: usize = 500;

/// Runs tasks that were parked while `did` was logged out, with all attempts ahead of them; also
/// tasks that are dead by now, and changes that never became a task: every like and comment that
/// its PDS lacks or has in another state. Call it after a login; returns how many tasks it
/// scheduled.
///
/// # Cancel safety
///
/// Dropped half way, it has woken some. Call it again: a queued task is moved, not doubled.
pub async fn wake_did(client: &Client, social: &dyn Social, did: &str) -> Result<usize> {
    let records = social.unconfirmed(did, RECORDS_MAX).await?;
    for record in &records {
        match record {
            Record::Like { did, track_id } => PdsLike::add(client, did, *track_id).await?,
            Record::Comment { id } => PdsComment::add(client, *id).await?,
        };
    }
    let plays = wake_plays(client, did).await?;
    tracing::info!(did, records = records.len(), plays, "woke the tasks that waited for a login");
    Ok(records.len() + plays)
}

/// Plays have no rows: they are found where they wait.
async fn wake_plays(client: &Client, did: &str) -> Result<usize> {
    let filter = ListFilter {
        state: Some(TaskState::Scheduled),
        name: Some(TaskName::new(ScrobbleToTeal::NAME)?),
        ..ListFilter::default()
    };
    let (mut cursor, mut woken) = (None, 0);
    for _ in 0..PAGES_MAX {
        let page = client.store().list(&filter, cursor.as_ref(), PAGE).await?;
        for task in page.tasks {
            match serde_json::from_slice::<ScrobbleToTeal>(task.args.as_bytes()) {
                Ok(play) if play.did == did => {
                    ScrobbleToTeal::wake(client, play).await?;
                    woken += 1;
                }
                _ => {}
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(woken)
}
