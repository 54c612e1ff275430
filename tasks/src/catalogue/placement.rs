//! Where the audio of a track is, and where it belongs.

use async_trait::async_trait;
use docket_core::Result;

use crate::{AudioFile, AudioStorage};

/// The placement of tracks' audio, and which other tracks need it.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; repeating it is safe.
#[async_trait]
pub trait Placements: Send + Sync {
    /// The current and the right place of a track's audio; `None` if there is no such track.
    async fn placement(&self, track_id: i64) -> Result<Option<Placement>>;

    /// Whether a track other than this one wants this audio in that store: tracks with equal bytes share one object.
    async fn is_wanted_elsewhere(&self, file: &AudioFile, storage: AudioStorage, track_id: i64) -> Result<bool>;

    /// Records that the audio is where `placement` wants it, if that is still wanted for the same audio, compared in
    /// the same step; false, and nothing written, if not. `audio_url` is its public address.
    async fn record_placement(&self, track_id: i64, placement: &Placement, audio_url: Option<&str>) -> Result<bool>;
}

/// The audio of a track: its objects, and where they belong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// Only supporters may hear it.
    pub is_gated: bool,
    /// The playable audio, then the lossless original; none if our buckets hold none of it.
    pub files: Vec<AudioFile>,
}

impl Placement {
    /// The store it belongs into.
    pub fn wanted(&self) -> AudioStorage {
        if self.is_gated { AudioStorage::Private } else { AudioStorage::Public }
    }
}
