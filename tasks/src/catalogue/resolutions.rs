//! Flags that moderators took back.

use async_trait::async_trait;
use docket_core::{Result, Timestamp};

/// Flagged scans, and the way a flag is taken back.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; repeating it is safe.
#[async_trait]
pub trait Resolutions: Send + Sync {
    /// Flagged scans of tracks that have a record: those after `after`, in the order of their ids, `limit` at most.
    async fn flagged(&self, after: Option<ScanId>, limit: usize) -> Result<Vec<Flagged>>;

    /// Takes these flags back, each only if it is still the flag that was read; how many were.
    async fn take_back(&self, flags: &[Flagged]) -> Result<usize>;
}

/// Which row of scans.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ScanId(pub i64);

/// A scan that is flagged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flagged {
    /// The loop.
    pub id: ScanId,
    /// The record of its track.
    pub uri: String,
    /// When it was scanned.
    pub scanned_at: Timestamp,
}
