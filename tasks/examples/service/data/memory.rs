//! Changes of the rows in memory, for trials without a database.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use docket::{Result, Timestamp};
use docket_tasks::{
    AudioStorage, Comment, Credentials, Job, Like, ListId, Lists as _, MemoryCatalogue, MemorySessions, MemorySocial,
    Played, Profile, Record, Row, Secret, Session, SessionId, Social as _, StrongRef, TokenVersion, Track, TrackList,
};

use super::{Change, Login, Upload};
use crate::service::refusal::Refusal;

/// Rows that end with this process. Cheap to clone; clones are the same rows.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(super) catalogue: Arc<MemoryCatalogue>,
    pub(super) social: Arc<MemorySocial>,
    pub(super) sessions: Arc<MemorySessions>,
    /// The records of tracks.
    records: Arc<Mutex<BTreeMap<i64, StrongRef>>>,
    latest_id: Arc<AtomicI64>,
}

impl Memory {
    /// Makes a change; gives the id of its row where it has a number.
    pub(super) async fn apply(&self, change: Change) -> Result<i64, Refusal> {
        match change {
            Change::Upload(upload) => return Ok(self.upload(upload)),
            Change::MakeAlbum { did, id, title } => self.catalogue.put_list(TrackList {
                id: ListId::Album(id),
                did,
                name: title,
                created_at: Some(now()),
                record: None,
                tracks: Vec::new(),
            }),
            Change::JoinAlbum { track_id, album_id } => self.list(&album_id, track_id, true).await?,
            Change::LeaveAlbum { track_id, album_id } => self.list(&album_id, track_id, false).await?,
            Change::Gate { track_id, is_gated } => self.catalogue.gate(track_id, is_gated),
            Change::Like { did, track_id } => {
                self.social.put_like(&did, track_id, Like { subject: self.record(track_id), created_at: now() });
                self.note_like(&did, track_id, true).await?;
            }
            Change::Unlike { did, track_id } => {
                self.social.remove(&Record::Like { did: did.clone(), track_id });
                self.note_like(&did, track_id, false).await?;
            }
            Change::Comment { did, track_id, text, timestamp_ms } => {
                let id = self.next_id();
                let (subject, created_at) = (self.record(track_id), now());
                let timestamp_ms = timestamp_ms.into();
                self.social.put_comment(
                    &did,
                    id,
                    Comment { subject, text, timestamp_ms, created_at, updated_at: None },
                );
                return Ok(id);
            }
            Change::EditComment { id, text } => self.edit(id, text).await?,
            Change::DeleteComment { id } => self.social.remove(&Record::Comment { id }),
            Change::Export { did, id } => self.catalogue.put_job(Job::pending(id, did)),
            Change::LogIn { did, login } => self.log_in(&did, login),
        }
        Ok(0)
    }

    fn upload(&self, upload: Upload) -> i64 {
        let Upload { did, title, audio, audio_url, record } = upload;
        let id = self.next_id();
        self.social.put_played(
            id,
            Played { is_wanted: true, title: title.clone(), artist_name: did.clone(), album_title: None, length: None },
        );
        self.catalogue.ask_for_tags(id);
        self.catalogue.put_track(Track {
            id,
            title,
            artist_handle: did.clone(),
            artist_name: did.clone(),
            artist_did: did,
            audio: Some(audio),
            original: None,
            storage: AudioStorage::Public,
            audio_url: Some(audio_url),
            created_at: now(),
            record_uri: record.as_ref().map(|record| record.uri.to_string()),
        });
        if let Some(record) = record {
            self.records.lock().unwrap_or_else(PoisonError::into_inner).insert(id, record);
        }
        id
    }

    async fn list(&self, album_id: &str, track_id: i64, is_in: bool) -> Result<(), Refusal> {
        let album = self.catalogue.album(album_id).await?.ok_or_else(|| Refusal::not_found("album"))?;
        self.catalogue.put_list(self.with(album, track_id, is_in));
        Ok(())
    }

    async fn note_like(&self, did: &str, track_id: i64, is_in: bool) -> Result<(), Refusal> {
        let liked = self.catalogue.liked_by(did).await?;
        self.catalogue.put_list(self.with(liked, track_id, is_in));
        Ok(())
    }

    fn with(&self, mut list: TrackList, track_id: i64, is_in: bool) -> TrackList {
        let record = self.record(track_id);
        list.tracks.retain(|track| Some(track) != record.as_ref());
        list.tracks.extend(record.filter(|_| is_in));
        list
    }

    async fn edit(&self, id: i64, text: String) -> Result<(), Refusal> {
        let wanted = self.social.wanted(&Record::Comment { id }).await?;
        if let Some((did, Row::Comment(comment))) = wanted.and_then(|wanted| Some((wanted.did, wanted.row?))) {
            self.social.put_comment(&did, id, Comment { text, updated_at: Some(now()), ..comment });
        }
        Ok(())
    }

    fn log_in(&self, did: &str, login: Login) {
        let Login { handle: _, pds_url, access, refresh } = login;
        let credentials = Credentials::AppPassword { access: Secret::new(access), refresh: Secret::new(refresh) };
        let id = SessionId::new(uuid::Uuid::now_v7().simple().to_string());
        let version = TokenVersion::default();
        self.sessions.log_in(Session { id, did: did.to_owned(), pds_url, version, credentials });
        self.catalogue.put_profile(did, Profile::default());
    }

    fn record(&self, track_id: i64) -> Option<StrongRef> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).get(&track_id).cloned()
    }

    fn next_id(&self) -> i64 {
        self.latest_id.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// When the request came.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}
