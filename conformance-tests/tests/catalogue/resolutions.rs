//! Flags that moderators took back.

use docket_core::Timestamp;
use docket_tasks::{Flagged, Scan, ScanState, Track};
use serde_json::Value;

use crate::on_every_catalogue;
use crate::place::{Place, track};

on_every_catalogue![
    flagged_scans_come_in_pages_and_only_those_of_tracks_with_a_record,
    a_flag_is_taken_back_once,
    a_flag_that_was_set_anew_is_another_flag,
];

fn scan(track_id: i64, state: ScanState, scanned_at: i64) -> Scan {
    Scan {
        track_id,
        file_id: "a".to_owned(),
        state,
        highest_score: 0.0,
        matches: Vec::new(),
        self_match: None,
        raw_response: Value::Null,
        error: None,
        scanned_at: Timestamp::from_micros(1_767_225_600_000_000 + scanned_at),
    }
}

async fn flagged(place: &Place, ids: &[i64]) {
    for id in ids {
        place.put_track(track(*id, "a")).await;
        place.catalogue.record_scan(&scan(*id, ScanState::Flagged, 1)).await.unwrap();
    }
}

async fn all(place: &Place) -> Vec<Flagged> {
    place.catalogue.flagged(None, 100).await.unwrap()
}

async fn flagged_scans_come_in_pages_and_only_those_of_tracks_with_a_record(place: Place) {
    flagged(&place, &[3, 1, 2]).await;
    place.put_track(track(4, "a")).await;
    place.catalogue.record_scan(&scan(4, ScanState::Clear, 1)).await.unwrap();
    place.put_track(Track { record_uri: None, ..track(5, "a") }).await;
    place.catalogue.record_scan(&scan(5, ScanState::Flagged, 1)).await.unwrap();
    let whole = all(&place).await;
    let mut uris: Vec<_> = whole.iter().map(|flag| flag.uri.clone()).collect();
    uris.sort();
    assert_eq!(uris, [1, 2, 3].map(|id| track(id, "a").record_uri.unwrap()));
    let mut paged = place.catalogue.flagged(None, 2).await.unwrap();
    assert_eq!(paged.len(), 2);
    paged.extend(place.catalogue.flagged(Some(paged[1].id), 2).await.unwrap());
    assert_eq!(paged, whole);
}

async fn a_flag_is_taken_back_once(place: Place) {
    flagged(&place, &[1, 2]).await;
    let flags: Vec<Flagged> = all(&place).await.into_iter().filter(|flag| flag.uri.ends_with("/1")).collect();
    assert_eq!(place.catalogue.take_back(&flags).await.unwrap(), 1);
    assert_eq!(place.catalogue.take_back(&flags).await.unwrap(), 0);
    let states = async |id| place.catalogue.scan(id, "a").await.unwrap().unwrap().state;
    assert_eq!((states(1).await, states(2).await), (ScanState::Resolved, ScanState::Flagged));
    assert_eq!(all(&place).await.len(), 1);
}

async fn a_flag_that_was_set_anew_is_another_flag(place: Place) {
    flagged(&place, &[1]).await;
    let read = all(&place).await;
    place.catalogue.record_scan(&scan(1, ScanState::Flagged, 2)).await.unwrap();
    assert_eq!(place.catalogue.take_back(&read).await.unwrap(), 0);
    assert_eq!(place.catalogue.scan(1, "a").await.unwrap().unwrap().state, ScanState::Flagged);
}
