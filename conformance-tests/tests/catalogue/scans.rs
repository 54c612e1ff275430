//! Copyright scans.

use docket_core::Timestamp;
use docket_tasks::{Match, Scan, ScanAnswer, ScanState};
use serde_json::json;

use crate::on_every_catalogue;
use crate::place::{Place, track};

on_every_catalogue![
    a_scan_is_read_as_it_was_recorded,
    a_second_scan_of_the_same_audio_replaces_the_row,
    a_failed_scan_never_replaces_a_verdict,
    a_verdict_replaces_a_failed_scan,
    a_scan_of_replaced_audio_is_not_recorded,
    a_scan_of_a_deleted_track_is_not_recorded,
];

fn scan(state: ScanState) -> Scan {
    let matches = vec![Match { artist: "Bob".to_owned(), title: "Röck".to_owned(), score: 0.875 }];
    Scan {
        track_id: 1,
        file_id: "a".to_owned(),
        state,
        highest_score: 0.1,
        matches,
        self_match: Some("Bob".to_owned()),
        raw_response: json!({"matches": [{"artist": "Bob", "isrc": "X"}], "n": 1.5}),
        error: (state == ScanState::Failed).then(|| "away".to_owned()),
        scanned_at: Timestamp::from_micros(1_767_225_600_123_457),
    }
}

async fn a_scan_is_read_as_it_was_recorded(place: Place) {
    place.put_track(track(1, "a")).await;
    for state in [ScanState::Failed, ScanState::Clear, ScanState::Flagged] {
        let scan = scan(state);
        assert_eq!(place.catalogue.record_scan(&scan).await.unwrap(), ScanAnswer::Recorded);
        assert_eq!(place.catalogue.scan(1, "a").await.unwrap(), Some(scan));
    }
}

async fn a_second_scan_of_the_same_audio_replaces_the_row(place: Place) {
    place.put_track(track(1, "a")).await;
    place.catalogue.record_scan(&scan(ScanState::Flagged)).await.unwrap();
    let again = Scan { scanned_at: Timestamp::from_micros(1_767_225_700_000_000), ..scan(ScanState::Clear) };
    assert_eq!(place.catalogue.record_scan(&again).await.unwrap(), ScanAnswer::Recorded);
    assert_eq!(place.catalogue.scan(1, "a").await.unwrap(), Some(again));
}

async fn a_failed_scan_never_replaces_a_verdict(place: Place) {
    place.put_track(track(1, "a")).await;
    place.catalogue.record_scan(&scan(ScanState::Flagged)).await.unwrap();
    assert_eq!(place.catalogue.record_scan(&scan(ScanState::Failed)).await.unwrap(), ScanAnswer::VerdictKept);
    assert_eq!(place.catalogue.scan(1, "a").await.unwrap(), Some(scan(ScanState::Flagged)));
}

async fn a_verdict_replaces_a_failed_scan(place: Place) {
    place.put_track(track(1, "a")).await;
    place.catalogue.record_scan(&scan(ScanState::Failed)).await.unwrap();
    assert_eq!(place.catalogue.record_scan(&scan(ScanState::Clear)).await.unwrap(), ScanAnswer::Recorded);
    assert_eq!(place.catalogue.scan(1, "a").await.unwrap(), Some(scan(ScanState::Clear)));
}

async fn a_scan_of_replaced_audio_is_not_recorded(place: Place) {
    place.put_track(track(1, "a")).await;
    place.put_track(track(1, "b")).await;
    assert_eq!(place.catalogue.record_scan(&scan(ScanState::Flagged)).await.unwrap(), ScanAnswer::AudioReplaced);
    assert_eq!(place.catalogue.scan(1, "a").await.unwrap(), None);
}

async fn a_scan_of_a_deleted_track_is_not_recorded(place: Place) {
    assert_eq!(place.catalogue.record_scan(&scan(ScanState::Clear)).await.unwrap(), ScanAnswer::AudioReplaced);
}
