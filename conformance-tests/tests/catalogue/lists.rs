//! Lists and profiles.

use docket_core::Timestamp;
use docket_tasks::{AtUri, ListId, Profile, StrongRef, TrackList};

use crate::on_every_catalogue;
use crate::place::{ARTIST, Place};

on_every_catalogue![
    an_album_is_read_with_its_tracks_in_order,
    albums_come_oldest_first_and_lists_of_likes_are_none,
    likes_come_newest_first,
    where_a_list_was_written_is_kept,
    a_profile_keeps_its_picture_and_loses_it_when_told,
];

pub(crate) fn subject(rkey: &str) -> StrongRef {
    StrongRef { uri: uri("fm.plyr.track", rkey), cid: format!("cid-{rkey}") }
}

fn uri(collection: &str, rkey: &str) -> AtUri {
    AtUri::new(ARTIST, collection, rkey).unwrap()
}

fn album(id: &str, created_at: i64, tracks: &[&str]) -> TrackList {
    TrackList {
        id: ListId::Album(id.to_owned()),
        did: ARTIST.to_owned(),
        name: format!("Album {id}"),
        created_at: Some(Timestamp::from_micros(1_767_225_600_000_000 + created_at)),
        record: None,
        tracks: tracks.iter().map(|rkey| subject(rkey)).collect(),
    }
}

fn liked(tracks: &[&str]) -> TrackList {
    TrackList::liked(ARTIST, None, tracks.iter().map(|rkey| subject(rkey)).collect())
}

async fn an_album_is_read_with_its_tracks_in_order(place: Place) {
    assert_eq!(place.catalogue.album("a").await.unwrap(), None);
    let known = TrackList { record: Some(uri("fm.plyr.list", "3jzfcijpj2z2a")), ..album("a", 7, &["3", "1", "2"]) };
    for list in [known, album("b", 8, &[])] {
        place.put_list(&list).await;
        let ListId::Album(id) = &list.id else { panic!() };
        assert_eq!(place.catalogue.album(id).await.unwrap(), Some(list));
    }
}

async fn albums_come_oldest_first_and_lists_of_likes_are_none(place: Place) {
    for list in [album("b", 2, &["1"]), album("a", 1, &["2"]), liked(&["3"])] {
        place.put_list(&list).await;
    }
    assert_eq!(place.catalogue.albums_of(ARTIST).await.unwrap(), ["a", "b"]);
    assert_eq!(place.catalogue.albums_of("did:plc:bob").await.unwrap(), Vec::<String>::new());
}

async fn likes_come_newest_first(place: Place) {
    assert_eq!(place.catalogue.liked_by(ARTIST).await.unwrap(), liked(&[]));
    place.put_list(&liked(&["3", "1", "2"])).await;
    assert_eq!(place.catalogue.liked_by(ARTIST).await.unwrap(), liked(&["3", "1", "2"]));
}

async fn where_a_list_was_written_is_kept(place: Place) {
    place.put_list(&album("a", 1, &["1"])).await;
    let written = StrongRef { uri: uri("fm.plyr.list", "3jzfcijpj2z2a"), cid: "bafy".to_owned() };
    for id in [ListId::Album("a".to_owned()), ListId::Liked(ARTIST.to_owned())] {
        // Twice, as after a crash behind the write.
        place.catalogue.record_list(&id, &written).await.unwrap();
        place.catalogue.record_list(&id, &written).await.unwrap();
    }
    assert_eq!(place.catalogue.album("a").await.unwrap().unwrap().record, Some(written.uri.clone()));
    assert_eq!(place.catalogue.liked_by(ARTIST).await.unwrap().record, Some(written.uri.clone()));
    // An album that was deleted in the meantime is not an error.
    place.catalogue.record_list(&ListId::Album("gone".to_owned()), &written).await.unwrap();
}

async fn a_profile_keeps_its_picture_and_loses_it_when_told(place: Place) {
    assert_eq!(place.catalogue.profile(ARTIST).await.unwrap(), None);
    let profile = Profile { bio: Some("I compute.".to_owned()), avatar_url: None };
    place.put_profile(ARTIST, &profile).await;
    assert_eq!(place.catalogue.profile(ARTIST).await.unwrap(), Some(profile.clone()));
    for avatar_url in [Some("https://cdn.bsky.app/a"), None] {
        place.catalogue.record_avatar(ARTIST, avatar_url).await.unwrap();
        let found = place.catalogue.profile(ARTIST).await.unwrap().unwrap();
        assert_eq!(found, Profile { avatar_url: avatar_url.map(str::to_owned), ..profile.clone() });
    }
}
