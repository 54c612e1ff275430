//! The people who were told of a flag.

use docket_core::Timestamp;
use docket_tasks::{Notice, NoticeKind, NoticeStep, Scan, ScanState, Told};
use serde_json::Value;

use crate::on_every_catalogue;
use crate::place::{Place, track};

on_every_catalogue![
    nobody_was_told_of_a_new_flag_and_there_is_nothing_to_tell_without_one,
    each_notice_is_kept_apart,
    of_two_that_read_the_same_one_goes_on,
    a_scan_of_the_same_audio_does_not_forget_who_was_told,
    what_was_told_of_a_flag_that_is_taken_back_is_still_written_down,
    there_is_nothing_to_write_down_without_a_scan,
];

fn scan(state: ScanState) -> Scan {
    Scan {
        track_id: 1,
        file_id: "a".to_owned(),
        state,
        highest_score: 0.0,
        matches: Vec::new(),
        self_match: None,
        raw_response: Value::Null,
        error: None,
        scanned_at: Timestamp::from_micros(1_767_225_600_000_000),
    }
}

async fn flagged(place: &Place) {
    place.put_track(track(1, "a")).await;
    place.catalogue.record_scan(&scan(ScanState::Flagged)).await.unwrap();
}

async fn told(place: &Place) -> Option<Told> {
    place.catalogue.told(1, "a").await.unwrap()
}

async fn record(place: &Place, step: NoticeStep) -> bool {
    place.catalogue.record_notice(1, "a", step).await.unwrap()
}

/// The first step of a notice that nobody has begun.
fn begun(kind: NoticeKind) -> NoticeStep {
    NoticeStep::begin(kind, Notice::default())
}

async fn nobody_was_told_of_a_new_flag_and_there_is_nothing_to_tell_without_one(place: Place) {
    assert_eq!(told(&place).await, None);
    place.put_track(track(1, "a")).await;
    for state in [ScanState::Failed, ScanState::Clear] {
        place.catalogue.record_scan(&scan(state)).await.unwrap();
        assert_eq!(told(&place).await, None, "{state:?}");
    }
    flagged(&place).await;
    assert_eq!(told(&place).await, Some(Told::default()));
    assert_eq!(place.catalogue.told(1, "b").await.unwrap(), None, "of other audio");
}

async fn each_notice_is_kept_apart(place: Place) {
    flagged(&place).await;
    assert!(record(&place, begun(NoticeKind::Event)).await);
    let event = Notice { begun: 1, is_sent: false };
    assert_eq!(told(&place).await, Some(Told { event, message: Notice::default() }));
    assert!(record(&place, begun(NoticeKind::Message)).await);
    assert!(record(&place, begun(NoticeKind::Message).sent()).await);
    assert_eq!(told(&place).await, Some(Told { event, message: Notice { begun: 1, is_sent: true } }));
    assert!(record(&place, NoticeStep::begin(NoticeKind::Event, event)).await);
    assert_eq!(told(&place).await.unwrap().event, Notice { begun: 2, is_sent: false });
}

async fn of_two_that_read_the_same_one_goes_on(place: Place) {
    flagged(&place).await;
    for kind in [NoticeKind::Event, NoticeKind::Message] {
        assert!(record(&place, begun(kind)).await);
        assert!(!record(&place, begun(kind)).await, "{kind:?}");
        assert!(record(&place, begun(kind).sent()).await);
        assert!(!record(&place, begun(kind).sent()).await, "{kind:?}");
        assert_eq!(told(&place).await.unwrap().notice(kind), Notice { begun: 1, is_sent: true });
    }
}

async fn a_scan_of_the_same_audio_does_not_forget_who_was_told(place: Place) {
    flagged(&place).await;
    assert!(record(&place, begun(NoticeKind::Message)).await);
    flagged(&place).await;
    assert_eq!(told(&place).await.unwrap().message.begun, 1);
}

async fn what_was_told_of_a_flag_that_is_taken_back_is_still_written_down(place: Place) {
    flagged(&place).await;
    assert!(record(&place, begun(NoticeKind::Event)).await);
    place.catalogue.record_scan(&scan(ScanState::Clear)).await.unwrap();
    assert!(record(&place, begun(NoticeKind::Event).sent()).await);
    assert_eq!(told(&place).await, None);
    flagged(&place).await;
    assert!(told(&place).await.unwrap().event.is_sent);
}

async fn there_is_nothing_to_write_down_without_a_scan(place: Place) {
    place.put_track(track(1, "a")).await;
    assert!(!record(&place, begun(NoticeKind::Event)).await);
}
