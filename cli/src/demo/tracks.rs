//! The artist's tracks: tones of some seconds, one for supporters alone, and one whose audio is lost.

use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::time::Duration;

use docket::Timestamp;
use docket_tasks::{AtUri, AudioFile, AudioStorage, StrongRef, Tid, Track};

use super::{ARTIST, audio};
use crate::end::End;

/// Title, pitch in hertz, seconds. The titles meet everything that names in an archive can meet.
const TONES: [(&str, f64, u32); 7] = [
    ("Concert Pitch", 440.0, 40),
    ("Low/High", 110.0, 30),
    ("LowHigh", 880.0, 30),
    ("lowhigh", 1_318.5, 30),
    ("Präludium in 220 Hz", 220.0, 40),
    ("Interlude", 329.6, 20),
    ("For Supporters", 523.3, 20),
];
/// The one for supporters.
pub(super) const GATED: i64 = 7;
/// The one whose audio is lost.
const LOST: u32 = 99;

/// The first of January 2026.
const FIRST_PUBLISHED: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Makes the audio in `folder`/audio, and the tracks that have it, public under `url`.
pub(super) async fn make(folder: &Path, url: &str) -> Result<Vec<Track>, End> {
    let mut tracks = Vec::new();
    for (id, (title, pitch, seconds)) in (1..).zip(TONES) {
        // A thread of its own: making sound keeps a core busy.
        let wav = tokio::task::spawn_blocking(move || audio::tone(pitch, seconds)).await;
        let wav = wav.map_err(|error| End::failed(format!("could not make audio: {error}")))?;
        let track = track(id, title, &file_id(&wav), url)?;
        let path = folder.join("audio").join(format!("{}.wav", file_id(&wav)));
        let written = tokio::fs::write(&path, wav).await;
        written.map_err(|error| End::failed(format!("could not write {}: {error}", path.display())))?;
        tracks.push(track);
    }
    let lost = Track { audio: None, audio_url: None, ..track(LOST, "Lost Tape", "", url)? };
    tracks.push(lost);
    Ok(tracks)
}

fn track(id: u32, title: &str, file_id: &str, url: &str) -> docket::Result<Track> {
    Ok(Track {
        id: id.into(),
        title: title.to_owned(),
        artist_did: ARTIST.to_owned(),
        artist_handle: "demo.plyr.fm".to_owned(),
        artist_name: "The Demo".to_owned(),
        audio: Some(AudioFile::new(file_id, "wav")),
        original: None,
        storage: AudioStorage::Public,
        audio_url: Some(format!("{url}/{file_id}.wav")),
        created_at: published(id),
        record_uri: Some(record(id.into())?.uri.to_string()),
    })
}

/// The record that track `id` has on its artist's PDS.
pub(super) fn record(id: i64) -> docket::Result<StrongRef> {
    let number = u32::try_from(id).unwrap_or_default();
    let uri = AtUri::new(ARTIST, "fm.plyr.track", Tid::at(published(number)))?;
    Ok(StrongRef { uri, cid: format!("demo-track-{id}") })
}

/// One track a day.
fn published(id: u32) -> Timestamp {
    FIRST_PUBLISHED.plus(Duration::from_hours(24) * id)
}

/// Equal for equal bytes. The service takes 16 digits of a SHA-256; here any hash does, in a form that is not taken for
/// one.
fn file_id(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("tone-{:012x}", hasher.finish() >> 16)
}
