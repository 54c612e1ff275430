//! What tracks sound like.

use docket_tasks::{Genre, GenresAnswer};
use futures_util::future::join_all;

use crate::on_every_catalogue;
use crate::place::{Place, track};

on_every_catalogue![
    genres_are_read_as_they_were_kept,
    genres_of_other_audio_are_not_kept_nor_read,
    tags_are_made_once_and_only_where_asked_for,
    nothing_heard_is_kept_and_leaves_the_wish_for_tags,
    what_others_write_beside_stays,
    many_tracks_at_once_share_their_tags,
];

fn heard() -> Vec<Genre> {
    [("ambient", 0.8123), ("électro", 0.5)]
        .map(|(name, confidence)| Genre { name: name.to_owned(), confidence })
        .to_vec()
}

fn tags() -> Vec<String> {
    heard().into_iter().map(|genre| genre.name).collect()
}

const PLAIN: GenresAnswer = GenresAnswer::Kept { tagged: false };
const TAGGED: GenresAnswer = GenresAnswer::Kept { tagged: true };

async fn genres_are_read_as_they_were_kept(place: Place) {
    place.put_track(track(1, "a")).await;
    assert_eq!(place.catalogue.genres(1, "a").await.unwrap(), None);
    assert_eq!(place.catalogue.keep_genres(1, "a", &heard(), &tags()).await.unwrap(), PLAIN);
    assert_eq!(place.catalogue.genres(1, "a").await.unwrap(), Some(heard()));
    assert_eq!(place.tags_of(1).await, Vec::<String>::new());
}

async fn genres_of_other_audio_are_not_kept_nor_read(place: Place) {
    place.put_track(track(1, "b")).await;
    assert_eq!(place.catalogue.keep_genres(1, "a", &heard(), &tags()).await.unwrap(), GenresAnswer::AudioReplaced);
    assert_eq!(place.catalogue.keep_genres(2, "a", &heard(), &tags()).await.unwrap(), GenresAnswer::AudioReplaced);
    place.catalogue.keep_genres(1, "b", &heard(), &tags()).await.unwrap();
    assert_eq!(place.catalogue.genres(1, "a").await.unwrap(), None);
    place.put_track(track(1, "c")).await;
    assert_eq!(place.catalogue.genres(1, "c").await.unwrap(), None);
}

async fn tags_are_made_once_and_only_where_asked_for(place: Place) {
    for id in [1, 2] {
        place.put_track(track(id, "a")).await;
        place.ask_for_tags(id).await;
        assert_eq!(place.catalogue.keep_genres(id, "a", &heard(), &tags()).await.unwrap(), TAGGED);
        assert_eq!(place.tags_of(id).await, tags());
    }
    // The wish is granted: tags that the artist removes later stay off.
    assert_eq!(place.catalogue.keep_genres(1, "a", &heard(), &["more".to_owned()]).await.unwrap(), PLAIN);
    assert_eq!(place.tags_of(1).await, tags());
}

async fn nothing_heard_is_kept_and_leaves_the_wish_for_tags(place: Place) {
    place.put_track(track(1, "a")).await;
    place.ask_for_tags(1).await;
    assert_eq!(place.catalogue.keep_genres(1, "a", &[], &[]).await.unwrap(), PLAIN);
    assert_eq!(place.catalogue.genres(1, "a").await.unwrap(), Some(Vec::new()));
    assert_eq!(place.catalogue.keep_genres(1, "a", &heard(), &tags()).await.unwrap(), TAGGED);
}

async fn what_others_write_beside_stays(place: Place) {
    place.put_track(track(1, "a")).await;
    place.write_beside(1).await;
    place.catalogue.keep_genres(1, "a", &heard(), &tags()).await.unwrap();
    assert!(place.is_beside(1).await);
}

async fn many_tracks_at_once_share_their_tags(place: Place) {
    for id in 1..=12 {
        place.put_track(track(id, "a")).await;
        place.ask_for_tags(id).await;
    }
    // Half of them name the tags in the other order.
    let tags_of = |id: i64| if id % 2 == 0 { tags() } else { tags().into_iter().rev().collect() };
    let kept = (1..=12).map(async |id| place.catalogue.keep_genres(id, "a", &heard(), &tags_of(id)).await);
    assert!(join_all(kept).await.into_iter().all(|answer| answer.unwrap() == TAGGED));
    for id in 1..=12 {
        assert_eq!(place.tags_of(id).await, tags());
    }
}
