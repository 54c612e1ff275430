//! Tracks.

use docket_tasks::{AudioFile, AudioStorage, Track};

use crate::on_every_catalogue;
use crate::place::{ARTIST, Place, track};

on_every_catalogue![
    a_track_is_read_as_it_was_put,
    what_is_not_there_is_none_and_no_error,
    the_tracks_of_an_artist_come_oldest_first,
];

async fn a_track_is_read_as_it_was_put(place: Place) {
    let gated = Track { storage: AudioStorage::Private, audio_url: None, ..track(2, "b") };
    let elsewhere = Track { storage: AudioStorage::Pds, audio_url: None, audio: None, ..track(3, "c") };
    let lossless = Track { original: Some(AudioFile::new("o", "flac")), ..track(1, "a") };
    for track in [lossless, gated, elsewhere] {
        place.put_track(track.clone()).await;
        assert_eq!(place.catalogue.track(track.id).await.unwrap(), Some(track));
    }
}

async fn what_is_not_there_is_none_and_no_error(place: Place) {
    assert_eq!(place.catalogue.track(1).await.unwrap(), None);
    assert_eq!(place.catalogue.tracks_of(ARTIST).await.unwrap(), []);
    assert_eq!(place.catalogue.scan(1, "a").await.unwrap(), None);
    assert_eq!(place.catalogue.job("e1").await.unwrap(), None);
}

async fn the_tracks_of_an_artist_come_oldest_first(place: Place) {
    for id in [1, 3, 2] {
        place.put_track(track(id, &format!("file{id}"))).await;
    }
    let other = Track { artist_did: "did:plc:bob".to_owned(), ..track(4, "d") };
    place.put_track(other).await;
    let found = place.catalogue.tracks_of(ARTIST).await.unwrap();
    // Larger ids are older here.
    assert_eq!(found.iter().map(|track| track.id).collect::<Vec<_>>(), [3, 2, 1]);
}
