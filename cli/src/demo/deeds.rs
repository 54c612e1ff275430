//! The actions in the service, and the tasks that it scheduled for them: all ten types, some more
//! than once.

use std::time::Duration;

use docket::{Docket, TaskKey, Timestamp};
use docket_tasks::{
    AtUri, Change, Comment, Job, Like, ListId, Played, Profile, Record, Scan, ScanState, SyncCopyrightResolutions,
    TrackList,
};
use serde_json::{Value, json};

use super::stage::Stage;
use super::{ARTIST, EXPORT, LISTENER, tracks};
use crate::end::End;

/// The album, and its tracks in order.
pub(super) const ALBUM: &str = "tones";
pub(super) const ALBUM_TRACKS: [i64; 3] = [1, 2, 3];
/// What is liked, played and commented on.
pub(super) const LIKED: i64 = 1;
/// What is not liked any more.
const UNLIKED: i64 = 2;
/// What the listener sees in the end.
pub(super) const COMMENT: &str = "sounds like an A to me";
const COMMENT_ID: i64 = 1;
/// Before moderators looked: the second of January 2026.
const FLAGGED_AT: Timestamp = Timestamp::from_micros(1_767_312_000_000_000);

/// Performs all actions; returns the tasks.
pub(super) async fn happen(docket: &Docket, stage: &Stage) -> Result<Vec<TaskKey>, End> {
    let mut keys = export(docket, stage).await?;
    keys.extend(uploads(docket, stage).await?);
    keys.push(gate(docket, stage).await?);
    keys.push(album(docket, stage).await?);
    keys.extend(listen(docket, stage).await?);
    keys.push(log_in(docket, stage).await?);
    keys.push(flag(stage).await?);
    Ok(keys)
}

async fn export(docket: &Docket, stage: &Stage) -> Result<Vec<TaskKey>, End> {
    stage.catalogue.put_job(Job::pending(EXPORT, ARTIST));
    Ok(vec![docket_tasks::schedule_export(docket.client(), EXPORT, ARTIST).await?.key])
}

/// What is public is scanned; the first of them asks for tags.
async fn uploads(docket: &Docket, stage: &Stage) -> Result<Vec<TaskKey>, End> {
    let mut keys = Vec::new();
    for track in stage.tracks.iter().filter(|track| track.id != tracks::GATED) {
        let Some(audio) = &track.audio else { continue };
        keys.push(docket_tasks::schedule_copyright_scan(docket.client(), track.id, &audio.file_id).await?.key);
        if track.id == LIKED {
            // Added by the scan, which will flag it.
            keys.push(TaskKey::new(format!("flag:{}:{}", track.id, audio.file_id))?);
            stage.catalogue.ask_for_tags(track.id);
            let added = docket_tasks::schedule_genre_classification(docket.client(), track.id, &audio.file_id);
            keys.push(added.await?.key);
        }
    }
    Ok(keys)
}

async fn gate(docket: &Docket, stage: &Stage) -> Result<TaskKey, End> {
    stage.catalogue.gate(tracks::GATED, true);
    Ok(docket_tasks::schedule_track_audio_move(docket.client(), tracks::GATED).await?.key)
}

/// Three tracks came into the album; that is one write.
async fn album(docket: &Docket, stage: &Stage) -> Result<TaskKey, End> {
    let tracks = ALBUM_TRACKS.into_iter().map(tracks::record).collect::<docket::Result<Vec<_>>>()?;
    stage.catalogue.put_list(TrackList {
        id: ListId::Album(ALBUM.to_owned()),
        did: ARTIST.to_owned(),
        name: "Tones".to_owned(),
        created_at: Some(FLAGGED_AT),
        record: None,
        tracks,
    });
    docket_tasks::schedule_album_list_sync(docket.client(), ALBUM).await?;
    docket_tasks::schedule_album_list_sync(docket.client(), ALBUM).await?;
    Ok(docket_tasks::schedule_album_list_sync(docket.client(), ALBUM).await?.key)
}

/// A play, a like, a like taken back, and a comment that was edited at once.
async fn listen(docket: &Docket, stage: &Stage) -> Result<Vec<TaskKey>, End> {
    let (client, now) = (docket.client(), Timestamp::from_micros(jiff::Timestamp::now().as_microsecond()));
    stage.social.put_played(LIKED, played());
    let played = docket_tasks::schedule_teal_scrobble(client, LISTENER, LIKED, now).await?.key;

    let like = |track| Ok::<_, End>(Like { subject: Some(tracks::record(track)?), created_at: now });
    stage.social.put_like(LISTENER, LIKED, like(LIKED)?);
    let liked = docket_tasks::schedule_pds_like(client, LISTENER, LIKED, Change::Creation).await?.key;
    stage.social.put_like(LISTENER, UNLIKED, like(UNLIKED)?);
    unlike(stage)?;
    let unliked = docket_tasks::schedule_pds_like(client, LISTENER, UNLIKED, Change::Deletion).await?.key;

    let comment = |text: &str| {
        let subject = Some(tracks::record(LIKED)?);
        let updated_at = (text == COMMENT).then_some(now);
        Ok::<_, End>(Comment { subject, text: text.to_owned(), timestamp_ms: 4_400, created_at: now, updated_at })
    };
    stage.social.put_comment(LISTENER, COMMENT_ID, comment("sounds like a B")?);
    docket_tasks::schedule_pds_comment(client, COMMENT_ID, Change::Creation).await?;
    stage.social.put_comment(LISTENER, COMMENT_ID, comment(COMMENT)?);
    let commented = docket_tasks::schedule_pds_comment(client, COMMENT_ID, Change::Update).await?.key;
    Ok(vec![played, liked, unliked, commented])
}

fn played() -> Played {
    Played {
        is_wanted: true,
        title: "Concert Pitch".to_owned(),
        artist_name: "The Demo".to_owned(),
        album_title: Some("Tones".to_owned()),
        length: Some(Duration::from_secs(40)),
    }
}

/// The like has been on the PDS for a while; now its row goes.
fn unlike(stage: &Stage) -> Result<(), End> {
    let record = Record::Like { did: LISTENER.to_owned(), track_id: UNLIKED };
    let rkey = stage.social.rkey(&record).ok_or_else(|| End::failed("a like has no record key"))?;
    let uri = AtUri::new(LISTENER, "fm.plyr.like", rkey)?;
    stage.pds.keep(&uri, json!({ "$type": "fm.plyr.like", "subject": tracks::record(UNLIKED)? }));
    stage.social.remove(&record);
    Ok(())
}

async fn log_in(docket: &Docket, stage: &Stage) -> Result<TaskKey, End> {
    stage.catalogue.put_profile(LISTENER, Profile { bio: Some("all ears".to_owned()), avatar_url: None });
    stage.catalogue.put_list(TrackList::liked(LISTENER, None, vec![tracks::record(LIKED)?]));
    Ok(docket_tasks::schedule_atproto_sync(docket.client(), LISTENER).await?.key)
}

/// Last year's flag. Nobody schedules what takes it back: workers begin a periodic task by themselves.
async fn flag(stage: &Stage) -> Result<TaskKey, End> {
    use docket_tasks::Catalogue as _;
    let track = stage.tracks.iter().find(|track| track.id == tracks::GATED);
    let file_id = track.and_then(|track| track.audio.as_ref()).map(|audio| audio.file_id.clone());
    let scan = Scan {
        track_id: tracks::GATED,
        file_id: file_id.unwrap_or_default(),
        state: ScanState::Flagged,
        highest_score: 0.0,
        matches: Vec::new(),
        self_match: None,
        raw_response: Value::Null,
        error: None,
        scanned_at: FLAGGED_AT,
    };
    stage.catalogue.record_scan(&scan).await?;
    Ok(TaskKey::new(<SyncCopyrightResolutions as docket::Task>::NAME)?)
}
