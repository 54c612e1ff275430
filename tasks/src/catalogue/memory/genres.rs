//! The genres of tracks.

use async_trait::async_trait;
use docket_core::Result;

use super::MemoryCatalogue;
use crate::{Genre, Genres, GenresAnswer};

impl MemoryCatalogue {
    /// Acts as an artist who requests genre tags.
    pub fn ask_for_tags(&self, track_id: i64) {
        self.tables().auto_tagged.insert(track_id);
    }

    /// The tags of a track, in order.
    pub fn tags_of(&self, track_id: i64) -> Vec<String> {
        self.tables().tags.iter().filter(|(id, _)| *id == track_id).map(|(_, tag)| tag.clone()).collect()
    }
}

#[async_trait]
impl Genres for MemoryCatalogue {
    async fn genres(&self, track_id: i64, file_id: &str) -> Result<Option<Vec<Genre>>> {
        let tables = self.tables();
        Ok(tables.genres.get(&track_id).filter(|(heard_in, _)| heard_in == file_id).map(|(_, genres)| genres.clone()))
    }

    async fn keep_genres(
        &self,
        track_id: i64,
        file_id: &str,
        genres: &[Genre],
        tags: &[String],
    ) -> Result<GenresAnswer> {
        let mut tables = self.tables();
        let audio = tables.tracks.get(&track_id).and_then(|track| track.audio.as_ref());
        if audio.is_none_or(|audio| audio.file_id != file_id) {
            return Ok(GenresAnswer::AudioReplaced);
        }
        tables.genres.insert(track_id, (file_id.to_owned(), genres.to_vec()));
        let tagged = !genres.is_empty() && tables.auto_tagged.remove(&track_id);
        if tagged {
            tables.tags.extend(tags.iter().map(|tag| (track_id, tag.clone())));
        }
        Ok(GenresAnswer::Kept { tagged })
    }
}
