//! The genres of tracks.

use async_trait::async_trait;
use docket_core::Result;
use serde::{Deserialize, Serialize};

/// Genres of tracks, and the tags made from them.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; repeating it is safe.
#[async_trait]
pub trait Genres: Send + Sync {
    /// The genres heard in audio `file_id` of a track; `None` if there are none, or they are of
    /// other audio.
    async fn genres(&self, track_id: i64, file_id: &str) -> Result<Option<Vec<Genre>>>;

    /// Keeps the genres, in one step that changes nothing else of the track.
    ///
    /// * The track must still have that audio, compared in the same step.
    /// * If its artist asked for tags to be found (`auto_tag`) and there are genres, it gets
    ///   `tags`, once.
    async fn keep_genres(
        &self,
        track_id: i64,
        file_id: &str,
        genres: &[Genre],
        tags: &[String],
    ) -> Result<GenresAnswer>;
}

/// One thing heard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Genre {
    /// In lower case.
    pub name: String,
    /// From 0 to 1.
    pub confidence: f64,
}

/// The answer to [`Genres::keep_genres`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GenresAnswer {
    /// They are kept; whether tags were asked for.
    Kept {
        /// The track has them as tags now.
        tagged: bool,
    },
    /// The track has other audio by now, or is gone; nothing was written.
    AudioReplaced,
}
