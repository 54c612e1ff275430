//! plyr.fm's background tasks, written for Docket.
//!
//! | task | what it does | key | attempts | backoff | one run | queue |
//! |---|---|---|---|---|---|---|
//! | [`scan_copyright`](ScanCopyright) | asks the moderation service about one track's audio and keeps the verdict | `scan:{track}:{file_id}` | 5 | 8m–1h | 6m | `default` |
//! | [`process_export`](ProcessExport) | puts all audio of an artist into one ZIP archive in object storage | `export:{export_id}` | 3 | 1m–10m | 2h1m | `exports` |
//! | [`sync_atproto`](SyncAtproto) | after a login, makes profile, albums and liked tracks on the PDS what the service has | `sync:{did}` | 5 | 5s–10m | 5m | `default` |
//! | [`scrobble_to_teal`](ScrobbleToTeal) | reports a play on the listener's PDS | `play:{did}:{track}:{played_at}` | 10 | 3m–12h | 2m | `default` |
//! | [`sync_album_list`](SyncAlbumList) | makes the list record of an album what the album is | `album-list:{album}` | 10 | 2s–10m | 2m | `default` |
//! | [`pds_like`](PdsLike) | makes the like of a track on its user's PDS what the row says | `like:{did}:{track}` | 10 | 3m–12h | 2m | `default` |
//! | [`pds_comment`](PdsComment) | makes a comment on its author's PDS what the row says | `comment:{id}` | 10 | 3m–12h | 2m | `default` |
//! | [`classify_genres`](ClassifyGenres) | has a model hear what a track sounds like, and tags it | `genres:{track}:{file_id}` | 5 | 10s–30m | 5m | `default` |
//! | [`move_track_audio`](MoveTrackAudio) | brings a track's audio into the bucket where it belongs | `track-audio:{track}` | 12 | 10s–4h | 10m | `default` |
//! | [`notify_flag`](NotifyFlag) | tells moderators and the admin of a flag, each once | `flag:{track}:{file_id}` | 10 | 2m–4h | 5m | `default` |
//! | [`sync_copyright_resolutions`](SyncCopyrightResolutions) | takes back the flags that moderators took back | `sync_copyright_resolutions` | 1 | every 5m | 1m | `default` |
//! | [`reap_exports`](ReapExports) | ends exports whose task died, adds those whose task was never added | `reap_exports` | 1 | every 1m | 1m | `default` |
//!
//! One file per task, in the same order: args, name, policy, run, tests. A task carries ids only and reads the current
//! state when it runs, so that what changed meanwhile is seen; every effect is written so that a run after a crash
//! converges. What they need beside their args is [`Services`]: the [`Catalogue`] (tracks, scans, jobs), the [`Buckets`]
//! and the clients of the systems outside. `examples/service.rs` is a service that embeds all of it.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn f(client: docket_core::Client, catalogue: Arc<dyn docket_tasks::Catalogue>) -> docket_core::Result<()> {
//! // Where tasks are added:
//! docket_tasks::schedule_copyright_scan(&client, 42, "9f3c0011aabbccdd").await?;
//! docket_tasks::schedule_export(&client, "0199c0de", "did:plc:ada").await?;
//!
//! // Where they run:
//! let mut registry = docket_core::Registry::new();
//! docket_tasks::register(&mut registry)?;
//! let services = Arc::new(docket_tasks::Services::from_env(catalogue)?);
//! let worker = docket_core::Worker::builder(client.store().clone()).registry(registry).state(services).build()?;
//! worker.run().await
//! # }
//! ```

mod audio;
mod catalogue;
mod classify_genres;
mod clients;
mod export;
mod lists;
mod move_track_audio;
mod notify_flag;
mod pds;
mod pds_comment;
mod pds_like;
mod process_export;
mod reap_exports;
mod run;
mod scan_copyright;
mod scrobble_to_teal;
mod self_match;
mod services;
mod sync_album_list;
mod sync_atproto;
mod sync_resolutions;
#[cfg(test)]
mod testing;

pub use audio::{AudioFile, AudioStorage};
pub use catalogue::genres::{Genre, Genres, GenresAnswer};
pub use catalogue::lists::{ListId, Lists, Profile, TrackList};
pub use catalogue::notices::{Notice, NoticeKind, NoticeStep, Notices, Told};
pub use catalogue::placement::{Placement, Placements};
pub use catalogue::resolutions::{Flagged, Resolutions, ScanId};
pub use catalogue::sessions::{
    Credentials, LockAnswer, MemorySessions, OAuthTokens, Session, SessionCipher, SessionId, SessionPayload, Sessions,
    StoreAnswer, TokenVersion,
};
pub use catalogue::social::{Comment, Confirmed, Like, MemorySocial, Played, Record, Row, Social, Wanted};
pub use catalogue::{
    Catalogue, Job, JobAnswer, JobState, JobUpdate, Match, MemoryCatalogue, PostgresCatalogue, PostgresSessions, Scan,
    ScanAnswer, ScanState, Track,
};
pub use classify_genres::{ClassifyGenres, GenresReport, genre_classification, schedule_genre_classification};
pub use clients::atproto::{
    AtUri, Atproto, AtprotoOptions, KeptRecord, PAGE_RECORDS_MAX, PdsError, RecordPage, StrongRef, Swap, Tid, Write,
};
pub use clients::bluesky::Bluesky;
pub use clients::call::CallError;
pub use clients::chat::{Chat, ChatAccess};
pub use clients::dpop::SigningKey;
pub use clients::http::Reach;
pub use clients::identity::{DidDocument, Identity, IdentityOptions};
pub use clients::labeler::{FlagEvent, Labeler};
pub use clients::moderation::{Moderation, Verdict};
pub use clients::oauth::OAuthClient;
pub use clients::replicate::Replicate;
pub use clients::secret::Secret;
pub use clients::storage::{Access, Object, Storage};
pub use clients::upload::{PART_BYTES, PARTS_IN_FLIGHT_MAX, Upload};
pub use export::download::{ExportDownload, export_download};
pub use export::manifest::Missing;
pub use move_track_audio::{MoveReport, MoveTrackAudio, schedule_track_audio_move, track_audio_move};
pub use notify_flag::{Notified, Notifier, NotifyFlag, NotifyReport, schedule_flag_notice};
pub use pds::{Change, Pds, PdsNames, RecordReport, wake_did};
pub use pds_comment::{PdsComment, schedule_pds_comment};
pub use pds_like::{PdsLike, schedule_pds_like};
pub use process_export::{ExportReport, ProcessExport, schedule_export};
pub use reap_exports::{ReapExports, ReapReport};
pub use scan_copyright::{ScanCopyright, ScanReport, schedule_copyright_scan};
pub use scrobble_to_teal::{ScrobbleReport, ScrobbleToTeal, StatusReport, schedule_teal_scrobble};
pub use services::{Buckets, EXPORTS_MAX, Services};
pub use sync_album_list::{ListReport, SyncAlbumList, schedule_album_list_sync};
pub use sync_atproto::{SyncAtproto, SyncReport, schedule_atproto_sync};
pub use sync_resolutions::{ResolutionsReport, SyncCopyrightResolutions};

/// Registers every task of this crate except those of [`register_pds`].
pub fn register(registry: &mut docket_core::Registry) -> docket_core::Result<()> {
    registry.register::<ProcessExport>()?.register::<ScanCopyright>()?;
    registry
        .register::<ClassifyGenres>()?
        .register::<MoveTrackAudio>()?
        .register::<NotifyFlag>()?
        .periodic::<ReapExports>()?
        .periodic::<SyncCopyrightResolutions>()?;
    Ok(())
}

/// Registers the tasks that write to users' PDSs, on a worker whose services are [`Services::with_pds`]. A worker without
/// them leaves these tasks to others.
pub fn register_pds(registry: &mut docket_core::Registry) -> docket_core::Result<()> {
    registry.register::<PdsLike>()?.register::<PdsComment>()?.register::<ScrobbleToTeal>()?;
    registry.register::<SyncAlbumList>()?.register::<SyncAtproto>()?;
    Ok(())
}
