//! Where the audio of tracks is, and where it belongs.

use docket_tasks::{AudioFile, AudioStorage, Placement, Track};

use crate::on_every_catalogue;
use crate::place::{Place, track};

on_every_catalogue![
    a_placement_is_what_the_track_says,
    a_recorded_move_is_seen_by_whoever_reads_the_track,
    a_move_is_not_recorded_once_something_else_is_wanted,
    tracks_of_equal_bytes_want_one_object,
];

async fn placement(place: &Place, id: i64) -> Placement {
    place.catalogue.placement(id).await.unwrap().unwrap()
}

async fn a_placement_is_what_the_track_says(place: Place) {
    assert_eq!(place.catalogue.placement(1).await.unwrap(), None);
    let original = AudioFile::new("o", "flac");
    place.put_track(Track { original: Some(original.clone()), ..track(1, "a") }).await;
    let files = vec![AudioFile::new("a", "mp3"), original];
    assert_eq!(placement(&place, 1).await, Placement { is_gated: false, files: files.clone() });
    place.gate(1, true).await;
    assert_eq!(placement(&place, 1).await, Placement { is_gated: true, files });
    place.put_track(Track { storage: AudioStorage::Pds, audio_url: None, ..track(2, "b") }).await;
    assert_eq!(placement(&place, 2).await, Placement { is_gated: false, files: Vec::new() });
}

async fn a_recorded_move_is_seen_by_whoever_reads_the_track(place: Place) {
    place.put_track(track(1, "a")).await;
    place.gate(1, true).await;
    assert!(place.catalogue.record_placement(1, &placement(&place, 1).await, None).await.unwrap());
    let found = place.catalogue.track(1).await.unwrap().unwrap();
    assert_eq!((found.storage, found.audio_url), (AudioStorage::Private, None));
    place.gate(1, false).await;
    let url = Some("https://audio.plyr.fm/audio/a.mp3");
    assert!(place.catalogue.record_placement(1, &placement(&place, 1).await, url).await.unwrap());
    assert_eq!(place.catalogue.track(1).await.unwrap(), Some(track(1, "a")));
}

async fn a_move_is_not_recorded_once_something_else_is_wanted(place: Place) {
    place.put_track(track(1, "a")).await;
    place.gate(1, true).await;
    let read = placement(&place, 1).await;
    place.gate(1, false).await;
    assert!(!place.catalogue.record_placement(1, &read, None).await.unwrap());
    place.gate(1, true).await;
    place.put_track(track(1, "b")).await;
    assert!(!place.catalogue.record_placement(1, &read, None).await.unwrap(), "the audio was replaced");
    assert!(!place.catalogue.record_placement(2, &read, None).await.unwrap(), "there is no such track");
    assert!(place.catalogue.track(1).await.unwrap().unwrap().audio_url.is_some());
}

async fn tracks_of_equal_bytes_want_one_object(place: Place) {
    place.put_track(track(1, "a")).await;
    place.put_track(Track { original: Some(AudioFile::new("a", "mp3")), ..track(2, "b") }).await;
    let wanted = async |file: &str, storage| {
        place.catalogue.is_wanted_elsewhere(&AudioFile::new(file, "mp3"), storage, 1).await.unwrap()
    };
    assert!(wanted("a", AudioStorage::Public).await && !wanted("a", AudioStorage::Private).await);
    assert!(!wanted("c", AudioStorage::Public).await);
    place.gate(2, true).await;
    assert!(!wanted("a", AudioStorage::Public).await && wanted("a", AudioStorage::Private).await);
    // A track does not block itself.
    place.gate(1, true).await;
    place.gate(2, false).await;
    assert!(!wanted("a", AudioStorage::Private).await);
}
