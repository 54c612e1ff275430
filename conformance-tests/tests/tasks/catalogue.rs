//! A catalogue that can be away, and that can hold a run in the middle of an export.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{Error, ErrorKind, Fence, Result};
use docket_tasks::{
    AudioFile, AudioStorage, Catalogue, Flagged, Genre, Genres, GenresAnswer, Job, JobAnswer, JobUpdate, ListId, Lists,
    MemoryCatalogue, NoticeStep, Notices, Placement, Placements, Profile, Resolutions, Scan, ScanAnswer, ScanId,
    StrongRef, Told, Track, TrackList,
};
use tokio::sync::watch;

/// [`MemoryCatalogue`] that answers on command.
#[derive(Debug)]
pub(crate) struct ToldCatalogue {
    pub(crate) kept: MemoryCatalogue,
    pub(crate) is_away: AtomicBool,
    /// While true, a run that reports that a track is done waits.
    hold: watch::Sender<bool>,
    held: AtomicUsize,
    /// The artist switches the gate just before a move is recorded, once.
    pub(crate) switches_gate: AtomicBool,
}

impl ToldCatalogue {
    pub(crate) fn new() -> Self {
        let (kept, is_away, held) = (MemoryCatalogue::default(), AtomicBool::new(false), AtomicUsize::new(0));
        Self { kept, is_away, hold: watch::Sender::new(false), held, switches_gate: AtomicBool::new(false) }
    }

    /// Makes runs wait in the middle, or lets them go on.
    pub(crate) fn hold(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    /// How many runs have been made to wait.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    fn look(&self) -> Result<()> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "reach the catalogue", "it is away"));
        }
        Ok(())
    }
}

#[async_trait]
impl Genres for ToldCatalogue {
    async fn genres(&self, track_id: i64, file_id: &str) -> Result<Option<Vec<Genre>>> {
        self.look()?;
        self.kept.genres(track_id, file_id).await
    }

    async fn keep_genres(
        &self,
        track_id: i64,
        file_id: &str,
        genres: &[Genre],
        tags: &[String],
    ) -> Result<GenresAnswer> {
        self.look()?;
        self.kept.keep_genres(track_id, file_id, genres, tags).await
    }
}

#[async_trait]
impl Lists for ToldCatalogue {
    async fn album(&self, id: &str) -> Result<Option<TrackList>> {
        self.look()?;
        self.kept.album(id).await
    }

    async fn albums_of(&self, did: &str) -> Result<Vec<String>> {
        self.look()?;
        self.kept.albums_of(did).await
    }

    async fn liked_by(&self, did: &str) -> Result<TrackList> {
        self.look()?;
        self.kept.liked_by(did).await
    }

    async fn record_list(&self, list: &ListId, record: &StrongRef) -> Result<()> {
        self.look()?;
        self.kept.record_list(list, record).await
    }

    async fn profile(&self, did: &str) -> Result<Option<Profile>> {
        self.look()?;
        self.kept.profile(did).await
    }

    async fn record_avatar(&self, did: &str, avatar_url: Option<&str>) -> Result<()> {
        self.look()?;
        self.kept.record_avatar(did, avatar_url).await
    }
}

#[async_trait]
impl Notices for ToldCatalogue {
    async fn told(&self, track_id: i64, file_id: &str) -> Result<Option<Told>> {
        self.look()?;
        self.kept.told(track_id, file_id).await
    }

    async fn record_notice(&self, track_id: i64, file_id: &str, step: NoticeStep) -> Result<bool> {
        self.look()?;
        self.kept.record_notice(track_id, file_id, step).await
    }
}

#[async_trait]
impl Placements for ToldCatalogue {
    async fn placement(&self, track_id: i64) -> Result<Option<Placement>> {
        self.look()?;
        self.kept.placement(track_id).await
    }

    async fn is_wanted_elsewhere(&self, file: &AudioFile, storage: AudioStorage, track_id: i64) -> Result<bool> {
        self.look()?;
        self.kept.is_wanted_elsewhere(file, storage, track_id).await
    }

    async fn record_placement(&self, track_id: i64, placement: &Placement, audio_url: Option<&str>) -> Result<bool> {
        self.look()?;
        if self.switches_gate.swap(false, Ordering::SeqCst) {
            self.kept.gate(track_id, !placement.is_gated);
        }
        self.kept.record_placement(track_id, placement, audio_url).await
    }
}

#[async_trait]
impl Resolutions for ToldCatalogue {
    async fn flagged(&self, after: Option<ScanId>, limit: usize) -> Result<Vec<Flagged>> {
        self.look()?;
        self.kept.flagged(after, limit).await
    }

    async fn take_back(&self, flags: &[Flagged]) -> Result<usize> {
        self.look()?;
        self.kept.take_back(flags).await
    }
}

#[async_trait]
impl Catalogue for ToldCatalogue {
    async fn track(&self, id: i64) -> Result<Option<Track>> {
        self.look()?;
        self.kept.track(id).await
    }

    async fn tracks_of(&self, artist_did: &str) -> Result<Vec<Track>> {
        self.look()?;
        self.kept.tracks_of(artist_did).await
    }

    async fn scan(&self, track_id: i64, file_id: &str) -> Result<Option<Scan>> {
        self.look()?;
        self.kept.scan(track_id, file_id).await
    }

    async fn record_scan(&self, scan: &Scan) -> Result<ScanAnswer> {
        self.look()?;
        self.kept.record_scan(scan).await
    }

    async fn job(&self, id: &str) -> Result<Option<Job>> {
        self.kept.job(id).await
    }

    async fn quiet_exports(&self, _: Duration, limit: usize) -> Result<Vec<Job>> {
        // The docket's clock is moved, the catalogue's own is not: here a job is quiet at once.
        self.kept.quiet_exports(Duration::ZERO, limit).await
    }

    async fn update_job(&self, id: &str, fence: Fence, update: JobUpdate) -> Result<JobAnswer> {
        let tracks_done = update.result.as_ref().and_then(|result| result.get("processed_count")?.as_u64());
        let mut hold = self.hold.subscribe();
        if tracks_done.is_some_and(|done| done > 0) && *hold.borrow_and_update() {
            self.held.fetch_add(1, Ordering::SeqCst);
            hold.wait_for(|hold| !hold).await.expect("the catalogue outlives its callers");
        }
        self.kept.update_job(id, fence, update).await
    }
}
