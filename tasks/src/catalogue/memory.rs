//! A catalogue that lives in this process: for the demo and for tests.

mod genres;
mod lists;
mod notices;
mod placements;
mod resolutions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{Fence, Result};
use tokio::time::Instant;

use crate::{Genre, ListId, Profile, ScanId, Told, TrackList};

use super::{Catalogue, Job, JobAnswer, JobState, JobUpdate, Scan, ScanAnswer, ScanState, Track};

/// [`Catalogue`] in memory. Lost with the process.
#[derive(Debug, Default)]
pub struct MemoryCatalogue(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    tracks: BTreeMap<i64, Track>,
    scans: BTreeMap<(i64, String), (ScanId, Scan)>,
    /// The people who were told of a flag.
    told: BTreeMap<(i64, String), Told>,
    /// With when they were written.
    jobs: BTreeMap<String, (Instant, Job)>,
    /// With the audio they were heard in.
    genres: BTreeMap<i64, (String, Vec<Genre>)>,
    /// Tracks whose artist asked for tags to be found.
    auto_tagged: BTreeSet<i64>,
    tags: BTreeSet<(i64, String)>,
    lists: BTreeMap<ListId, TrackList>,
    profiles: BTreeMap<String, Profile>,
    /// Tracks for supporters only.
    gated: BTreeSet<i64>,
}

impl MemoryCatalogue {
    /// Inserts or replaces a track by its id.
    pub fn put_track(&self, track: Track) {
        self.tables().tracks.insert(track.id, track);
    }

    /// Inserts or replaces a job by its id.
    pub fn put_job(&self, job: Job) {
        self.tables().jobs.insert(job.id.clone(), (Instant::now(), job));
    }

    /// Every scan that is kept.
    pub fn scans(&self) -> Vec<Scan> {
        self.tables().scans.values().map(|(_, scan)| scan.clone()).collect()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Every change below is one assignment, so a panic elsewhere leaves the tables whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Catalogue for MemoryCatalogue {
    async fn track(&self, id: i64) -> Result<Option<Track>> {
        Ok(self.tables().tracks.get(&id).cloned())
    }

    async fn tracks_of(&self, artist_did: &str) -> Result<Vec<Track>> {
        let tables = self.tables();
        let mut tracks: Vec<Track> = tables.tracks.values().filter(|t| t.artist_did == artist_did).cloned().collect();
        tracks.sort_by_key(|track| (track.created_at, track.id));
        Ok(tracks)
    }

    async fn scan(&self, track_id: i64, file_id: &str) -> Result<Option<Scan>> {
        Ok(self.tables().scans.get(&(track_id, file_id.to_owned())).map(|(_, scan)| scan.clone()))
    }

    async fn record_scan(&self, scan: &Scan) -> Result<ScanAnswer> {
        let mut tables = self.tables();
        let audio = tables.tracks.get(&scan.track_id).and_then(|track| track.audio.as_ref());
        if audio.is_none_or(|audio| audio.file_id != scan.file_id) {
            return Ok(ScanAnswer::AudioReplaced);
        }
        let key = (scan.track_id, scan.file_id.clone());
        let known = tables.scans.get(&key);
        if scan.state == ScanState::Failed && known.is_some_and(|(_, known)| known.state != ScanState::Failed) {
            return Ok(ScanAnswer::VerdictKept);
        }
        let next = ScanId(i64::try_from(tables.scans.len()).unwrap_or(i64::MAX));
        let id = known.map_or(next, |(id, _)| *id);
        tables.scans.insert(key, (id, scan.clone()));
        Ok(ScanAnswer::Recorded)
    }

    async fn job(&self, id: &str) -> Result<Option<Job>> {
        Ok(self.tables().jobs.get(id).map(|(_, job)| job.clone()))
    }

    async fn quiet_exports(&self, quiet_for: Duration, limit: usize) -> Result<Vec<Job>> {
        let tables = self.tables();
        let quiet = tables.jobs.values().filter(|(written, job)| {
            matches!(job.state, JobState::Pending | JobState::Processing) && written.elapsed() >= quiet_for
        });
        Ok(quiet.map(|(_, job)| job.clone()).take(limit).collect())
    }

    async fn update_job(&self, id: &str, fence: Fence, update: JobUpdate) -> Result<JobAnswer> {
        Ok(self.tables().jobs.get_mut(id).map_or(JobAnswer::NotFound, |(written, job)| {
            *written = Instant::now();
            job.apply(fence, update)
        }))
    }
}
