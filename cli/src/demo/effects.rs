//! The effects of the tasks, checked in the outside systems and not in the tasks' results.

use docket::{Task as _, TaskView};
use docket_tasks::{
    AudioStorage, Catalogue as _, ClassifyGenres, Genres as _, JobState, Lists as _, MoveTrackAudio, NotifyFlag,
    PdsComment, PdsLike, ProcessExport, ScanCopyright, ScanState, ScrobbleToTeal, SyncAlbumList, SyncAtproto,
    SyncCopyrightResolutions,
};
use serde_json::{Value, json};

use super::deeds::{ALBUM_TRACKS, COMMENT, LIKED};
use super::peers::AVATAR;
use super::stage::Stage;
use super::{ARTIST, EXPORT, LISTENER, tracks};
use crate::end::{End, Outcome};
use crate::output;

/// A task type, its expected effect, and whether it is there.
struct Effect {
    name: &'static str,
    wanted: &'static str,
    is_so: bool,
}

/// Prints one line per task type; fails if any effect is missing.
pub(super) async fn print(stage: &Stage, tasks: &[TaskView]) -> Outcome {
    let effects = look(stage).await?;
    let rows: Vec<[String; 3]> = effects.iter().map(|effect| row(effect, tasks)).collect();
    output::line("")?;
    output::table(["TYPE", "KEY", "RESULT"], &rows)?;
    let missing: Vec<&str> = effects.iter().filter(|effect| !effect.is_so).map(|effect| effect.name).collect();
    if missing.is_empty() { Ok(()) } else { Err(End::failed(format!("without effect: {}", missing.join(", ")))) }
}

fn row(effect: &Effect, tasks: &[TaskView]) -> [String; 3] {
    let task = tasks.iter().find(|task| task.name.as_str() == effect.name);
    let so = if effect.is_so { effect.wanted.to_owned() } else { format!("MISSING: {}", effect.wanted) };
    [effect.name.to_owned(), task.map(|task| task.key.to_string()).unwrap_or_default(), so]
}

async fn look(stage: &Stage) -> Result<Vec<Effect>, End> {
    let effect = |name, wanted, is_so| Effect { name, wanted, is_so };
    Ok(vec![
        effect(ScanCopyright::NAME, "six tracks have a verdict, one is flagged", are_scanned(stage)),
        effect(NotifyFlag::NAME, "moderators were told of the flag, once", are_told(stage)),
        effect(ProcessExport::NAME, "the archive is there, and the job says so", is_exported(stage).await?),
        effect(SyncAtproto::NAME, "the listener's profile and liked tracks are on the PDS", is_synced(stage).await?),
        effect(ScrobbleToTeal::NAME, "one play on the PDS, and it is playing now", is_scrobbled(stage)),
        effect(SyncAlbumList::NAME, "one list on the PDS, the tracks in order", is_listed(stage)?),
        effect(PdsLike::NAME, "one like on the PDS, the other is gone", is_liked(stage)?),
        effect(PdsComment::NAME, "one comment on the PDS, as it was edited", is_commented(stage)),
        effect(ClassifyGenres::NAME, "the track has its genres, and tags of them", is_classified(stage).await?),
        effect(MoveTrackAudio::NAME, "the audio is in the private bucket alone", is_private(stage).await?),
        effect(SyncCopyrightResolutions::NAME, "last year's flag is taken back", is_resolved(stage)),
    ])
}

fn are_scanned(stage: &Stage) -> bool {
    let scans: Vec<_> = stage.catalogue.scans().into_iter().filter(|scan| scan.track_id != tracks::GATED).collect();
    let count = |state| scans.iter().filter(|scan| scan.state == state).count();
    (count(ScanState::Flagged), count(ScanState::Clear), scans.len()) == (1, 5, 6)
}

fn are_told(stage: &Stage) -> bool {
    stage.told.tracks() == [json!(LIKED)]
}

async fn is_exported(stage: &Stage) -> Result<bool, End> {
    let job = stage.catalogue.job(EXPORT).await?;
    let is_there = stage.folder.join(format!("exports/{EXPORT}.zip")).exists();
    Ok(is_there && job.is_some_and(|job| job.state == JobState::Completed && job.progress_pct == 100))
}

async fn is_synced(stage: &Stage) -> Result<bool, End> {
    let known = stage.catalogue.profile(LISTENER).await?.and_then(|profile| profile.avatar_url);
    let profile = only(stage, LISTENER, "fm.plyr.actor.profile");
    let liked = only(stage, LISTENER, "fm.plyr.list");
    let subject = json!([{ "subject": tracks::record(LIKED)? }]);
    let has_list = liked.is_some_and(|list| list["listType"] == "liked" && list["items"] == subject);
    Ok(has_list && known.as_deref() == Some(AVATAR) && profile.is_some_and(|profile| profile["avatar"] == AVATAR))
}

fn is_scrobbled(stage: &Stage) -> bool {
    let play = only(stage, LISTENER, "fm.teal.feed.play");
    let status = only(stage, LISTENER, "fm.teal.actor.status");
    play.zip(status).is_some_and(|(play, status)| {
        play["trackName"] == "Concert Pitch" && status["item"]["playedTime"] == play["playedTime"]
    })
}

fn is_listed(stage: &Stage) -> Result<bool, End> {
    let tracks = ALBUM_TRACKS.into_iter().map(|id| Ok(json!({ "subject": tracks::record(id)? })));
    let tracks = tracks.collect::<docket::Result<Vec<Value>>>()?;
    Ok(only(stage, ARTIST, "fm.plyr.list").is_some_and(|list| list["items"] == Value::Array(tracks)))
}

fn is_liked(stage: &Stage) -> Result<bool, End> {
    let liked = json!(tracks::record(LIKED)?);
    Ok(only(stage, LISTENER, "fm.plyr.like").is_some_and(|like| like["subject"] == liked))
}

fn is_commented(stage: &Stage) -> bool {
    only(stage, LISTENER, "fm.plyr.comment").is_some_and(|comment| comment["text"] == COMMENT)
}

async fn is_classified(stage: &Stage) -> Result<bool, End> {
    let file_id = stage.tracks.iter().find(|track| track.id == LIKED).and_then(|track| track.audio.as_ref());
    let Some(audio) = file_id else { return Ok(false) };
    let genres = stage.catalogue.genres(LIKED, &audio.file_id).await?.unwrap_or_default();
    let tags = stage.catalogue.tags_of(LIKED);
    Ok(!tags.is_empty() && tags.iter().all(|tag| genres.iter().any(|genre| genre.name == *tag)))
}

async fn is_private(stage: &Stage) -> Result<bool, End> {
    let Some(track) = stage.catalogue.track(tracks::GATED).await? else { return Ok(false) };
    let places = stage.places(&track)?.map(|places| places.map(|path| path.exists()));
    Ok(places == Some([false, true]) && track.storage == AudioStorage::Private && track.audio_url.is_none())
}

fn is_resolved(stage: &Stage) -> bool {
    let scans = stage.catalogue.scans();
    scans.iter().any(|scan| scan.track_id == tracks::GATED && scan.state == ScanState::Resolved)
}

/// The record of a collection, if there is exactly one.
fn only(stage: &Stage, did: &str, collection: &str) -> Option<Value> {
    let mut records = stage.pds.collection(did, collection);
    records.pop().filter(|_| records.is_empty())
}
