//! Where the audio of a track is, and where it belongs.

use async_trait::async_trait;
use docket_core::Result;

use super::{MemoryCatalogue, Tables};
use crate::{AudioFile, AudioStorage, Placement, Placements, Track};

impl MemoryCatalogue {
    /// Acts as an artist who closes a track to everyone but supporters, or opens it.
    pub fn gate(&self, track_id: i64, is_gated: bool) {
        let mut tables = self.tables();
        if is_gated {
            tables.gated.insert(track_id);
        } else {
            tables.gated.remove(&track_id);
        }
    }
}

impl Tables {
    fn placement(&self, track: &Track) -> Placement {
        let files = [&track.audio, &track.original].into_iter().flatten().cloned();
        let ours = track.storage != AudioStorage::Pds;
        Placement { is_gated: self.gated.contains(&track.id), files: files.filter(|_| ours).collect() }
    }
}

#[async_trait]
impl Placements for MemoryCatalogue {
    async fn placement(&self, track_id: i64) -> Result<Option<Placement>> {
        let tables = self.tables();
        Ok(tables.tracks.get(&track_id).map(|track| tables.placement(track)))
    }

    async fn is_wanted_elsewhere(&self, file: &AudioFile, storage: AudioStorage, track_id: i64) -> Result<bool> {
        let tables = self.tables();
        let others = tables.tracks.values().filter(|track| track.id != track_id);
        let mut placements = others.map(|track| tables.placement(track));
        Ok(placements.any(|placement| placement.wanted() == storage && placement.files.contains(file)))
    }

    async fn record_placement(&self, track_id: i64, placement: &Placement, audio_url: Option<&str>) -> Result<bool> {
        let mut tables = self.tables();
        let is_still = tables.tracks.get(&track_id).is_some_and(|track| tables.placement(track) == *placement);
        if let Some(track) = tables.tracks.get_mut(&track_id).filter(|_| is_still) {
            track.storage = placement.wanted();
            track.audio_url = audio_url.map(str::to_owned);
        }
        Ok(is_still)
    }
}
