//! The artist's tracks: tones of some seconds, and one whose audio is lost.

use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::time::Duration;

use docket::Timestamp;
use docket_tasks::{AudioFile, AudioStorage, Track};

use super::{ARTIST, audio};
use crate::end::End;

/// Title, pitch in hertz, seconds. The titles meet everything that names in an archive can meet.
const TONES: [(&str, f64, u32); 6] = [
    ("Concert Pitch", 440.0, 40),
    ("Low/High", 110.0, 30),
    ("LowHigh", 880.0, 30),
    ("lowhigh", 1_318.5, 30),
    ("Präludium in 220 Hz", 220.0, 40),
    ("Interlude", 329.6, 20),
];

/// The first of January 2026.
const FIRST_PUBLISHED: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Makes the audio in `folder`/audio, and the tracks that have it, public under `url`.
pub(super) async fn make(folder: &Path, url: &str) -> Result<Vec<Track>, End> {
    let mut tracks = Vec::new();
    for (id, (title, pitch, seconds)) in (1..).zip(TONES) {
        // A thread of its own: making sound keeps a core busy.
        let wav = tokio::task::spawn_blocking(move || audio::tone(pitch, seconds)).await;
        let wav = wav.map_err(|error| End::failed(format!("could not make audio: {error}")))?;
        let track = track(id, title, &file_id(&wav), url);
        let path = folder.join("audio").join(format!("{}.wav", file_id(&wav)));
        let written = tokio::fs::write(&path, wav).await;
        written.map_err(|error| End::failed(format!("could not write {}: {error}", path.display())))?;
        tracks.push(track);
    }
    let lost = Track { audio: None, audio_url: None, ..track(99, "Lost Tape", "", url) };
    tracks.push(lost);
    Ok(tracks)
}

fn track(id: u32, title: &str, file_id: &str, url: &str) -> Track {
    Track {
        id: id.into(),
        title: title.to_owned(),
        artist_did: ARTIST.to_owned(),
        artist_handle: "demo.plyr.fm".to_owned(),
        artist_name: "The Demo".to_owned(),
        audio: Some(AudioFile::new(file_id, "wav")),
        original: None,
        storage: AudioStorage::Public,
        audio_url: Some(format!("{url}/{file_id}.wav")),
        created_at: FIRST_PUBLISHED.plus(Duration::from_hours(24) * id),
        record_uri: None,
    }
}

/// Equal for equal bytes. The service takes a SHA-256; here any hash of 16 digits does.
fn file_id(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016x}", hasher.finish())
}
