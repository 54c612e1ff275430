//! The service's data that the tasks read and write, behind one small trait.

pub(crate) mod genres;
mod job;
pub(crate) mod lists;
mod memory;
pub(crate) mod notices;
pub(crate) mod placement;
mod postgres;
pub(crate) mod resolutions;
pub(crate) mod sessions;
pub(crate) mod social;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{Fence, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AudioFile, AudioStorage, Genres, Lists, Notices, Placements, Resolutions};

pub use job::{Job, JobAnswer, JobState, JobUpdate};
pub use memory::MemoryCatalogue;
pub use postgres::{PostgresCatalogue, PostgresSessions};

/// Tracks, copyright scans and export jobs.
///
/// The **implementor** makes each call one atomic step and says with [`docket_core::Error::is_retryable`] whether the
/// same call can succeed later. The **caller** is a task: it holds nothing between calls, may be killed after any of
/// them, and then runs again from the start.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; repeating it is safe.
#[async_trait]
pub trait Catalogue: Genres + Lists + Notices + Placements + Resolutions + fmt::Debug + Send + Sync {
    /// One track.
    async fn track(&self, id: i64) -> Result<Option<Track>>;

    /// All tracks of an artist, oldest first.
    async fn tracks_of(&self, artist_did: &str) -> Result<Vec<Track>>;

    /// The scan of a track's audio.
    async fn scan(&self, track_id: i64, file_id: &str) -> Result<Option<Scan>>;

    /// Keeps a scan: one row per track and file id, so that a second run replaces its own row.
    ///
    /// * The track must still have that audio, compared in the same step: a scan that began before a replacement must
    ///   not land after it.
    /// * A failed scan never replaces a verdict.
    async fn record_scan(&self, scan: &Scan) -> Result<ScanAnswer>;

    /// One job.
    async fn job(&self, id: &str) -> Result<Option<Job>>;

    /// Export jobs that are pending or processing and have not been written for this long, by the catalogue's own clock.
    async fn quiet_exports(&self, quiet_for: Duration, limit: usize) -> Result<Vec<Job>>;

    /// Updates a job for the run that holds `fence`.
    ///
    /// * A completed job never changes again.
    /// * A run with a smaller fence than one that wrote before is rejected: it lost its lease.
    /// * `result` is merged into the stored object, key by key.
    async fn update_job(&self, id: &str, fence: Fence, update: JobUpdate) -> Result<JobAnswer>;
}

/// A track, with the data of its artist that tasks need.
#[derive(Clone, PartialEq, Debug)]
pub struct Track {
    /// Its number.
    pub id: i64,
    /// Its title, as the artist wrote it.
    pub title: String,
    /// Whose it is.
    pub artist_did: String,
    /// The artist's handle, e.g. `ada.bsky.social`.
    pub artist_handle: String,
    /// The artist's display name.
    pub artist_name: String,
    /// The playable audio.
    pub audio: Option<AudioFile>,
    /// The lossless original, where the playable audio was made from one.
    pub original: Option<AudioFile>,
    /// Which store holds them.
    pub storage: AudioStorage,
    /// The public address of the playable audio, if it has one.
    pub audio_url: Option<String>,
    /// When it was published.
    pub created_at: Timestamp,
    /// The address of its record, if it has one.
    pub record_uri: Option<String>,
}

/// The scan of a track's audio.
#[derive(Clone, PartialEq, Debug)]
pub struct Scan {
    /// The track.
    pub track_id: i64,
    /// The audio that was scanned.
    pub file_id: String,
    /// The verdict, or that there is none.
    pub state: ScanState,
    /// As the service reported it.
    pub highest_score: f64,
    /// The recordings that the service recognised.
    pub matches: Vec<Match>,
    /// Why a flag was taken back: the artist the service recognised is the uploader.
    pub self_match: Option<String>,
    /// The service's whole answer.
    pub raw_response: Value,
    /// Why the scan failed.
    pub error: Option<String>,
    /// The store's time of the lease it was scanned under.
    pub scanned_at: Timestamp,
}

/// The verdict of a scan. `Failed` is a state of its own: audio nobody could scan is not clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanState {
    /// Scanned, nothing to object to.
    Clear,
    /// Scanned, and recognised as another artist's.
    Flagged,
    /// Flagged, and a moderator took the flag back.
    Resolved,
    /// Not scanned, and nothing tries again.
    Failed,
}

/// One recording the moderation service recognised. Unknown fields stay in [`Scan::raw_response`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// The performer.
    pub artist: String,
    /// The title.
    pub title: String,
    /// How sure the service is.
    pub score: f64,
}

/// The answer to [`Catalogue::record_scan`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanAnswer {
    /// It is kept.
    Recorded,
    /// A verdict was there already and a failure does not replace it.
    VerdictKept,
    /// The track has other audio by now, or is gone; nothing was written.
    AudioReplaced,
}
