//! Album list: the record of an album on its artist's PDS.
//!
//! One task per album, for any change: it reads the tracks and makes the record follow, keeping the
//! artist's order. Many uploads into one album are one write, some seconds after the last.

use std::time::Duration;

use docket_core::{Add, Backoff, Client, Context, Failure, Policy, Receipt, Result, Task};
use serde::{Deserialize, Serialize};

use crate::lists::{Listed, sync_list};
use crate::pds::failure;
use crate::{Services, StrongRef};

/// How long an album must have been left alone.
const DEBOUNCE: Duration = Duration::from_secs(5);

/// Makes the list record of an album match the album.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncAlbumList {
    /// The album.
    pub album_id: String,
}

/// The result for the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ListReport {
    /// It was written.
    Written(StrongRef),
    /// It was as it should be.
    Unchanged(StrongRef),
    /// No track of it has a record, and there is none of the album.
    Empty,
    /// The album no longer exists.
    Deleted,
}

impl SyncAlbumList {
    /// The task about to be scheduled: await it, or send it in the transaction that changes the album.
    pub fn add(client: &Client, album_id: &str) -> Add {
        let task = Self { album_id: album_id.to_owned() };
        client.schedule(task).key(format!("album-list:{album_id}")).after(DEBOUNCE)
    }
}

/// Schedules it, after tracks came into an album, left it, or changed.
#[tracing::instrument(name = "scheduled album list sync via docket", skip_all, fields(album_id = album_id))]
pub async fn schedule_album_list_sync(client: &Client, album_id: &str) -> Result<Receipt> {
    let receipt = SyncAlbumList::add(client, album_id).await?;
    tracing::info!(album_id, "scheduled album list sync via docket");
    Ok(receipt)
}

impl Task for SyncAlbumList {
    const NAME: &'static str = "sync_album_list";
    type Output = ListReport;

    fn policy() -> Policy {
        Policy {
            // A logged-out artist is waited for about a day as well.
            max_attempts: crate::pds::ATTEMPTS_MAX,
            backoff: Backoff { base: Duration::from_secs(2), max: Duration::from_mins(10) },
            timeout: Duration::from_mins(2),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<ListReport, Failure> {
        let services = ctx.state::<Services>()?;
        let album = services.catalogue.album(&self.album_id).await?;
        let Some(album) = album else { return Ok(ListReport::Deleted) };
        let listed = sync_list(services.pds()?, &*services.catalogue, &album, ctx.lease().leased_at).await;
        Ok(match listed.map_err(|error| failure(error, &ctx))? {
            Listed::Written(record) => ListReport::Written(record),
            Listed::Unchanged(record) => ListReport::Unchanged(record),
            Listed::Empty => ListReport::Empty,
        })
    }
}
