use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use docket_core::{Timestamp, Verdict};
use serde_json::{Value, json};

use super::*;
use crate::testing::{self, ToldService, failed, track};
use crate::{Catalogue, MemoryCatalogue, Scan, ScanState, Secret};

/// When track 1 was scanned: 2026-01-01T00:00:00Z.
const SCANNED_AT: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

struct Rig {
    labeler: ToldService,
    catalogue: Arc<MemoryCatalogue>,
    services: Services,
}

impl Rig {
    /// Tracks 1 to `tracks` are flagged.
    async fn new(tracks: i64) -> Self {
        let labeler = ToldService::default();
        let url = labeler.serve().await;
        let catalogue = Arc::new(MemoryCatalogue::default());
        for id in 1..=tracks {
            catalogue.put_track(track(id));
            catalogue.record_scan(&flagged(id)).await.unwrap();
        }
        let client = Labeler::new(&url, Secret::new("key-secret")).unwrap();
        let services = testing::services(catalogue.clone()).with_labeler(client);
        Self { labeler, catalogue, services }
    }

    async fn state(&self, id: i64) -> ScanState {
        self.catalogue.scan(id, &format!("file{id}")).await.unwrap().unwrap().state
    }
}

fn flagged(track_id: i64) -> Scan {
    Scan {
        track_id,
        file_id: format!("file{track_id}"),
        state: ScanState::Flagged,
        highest_score: 0.0,
        matches: Vec::new(),
        self_match: None,
        raw_response: Value::Null,
        error: None,
        scanned_at: SCANNED_AT,
    }
}

fn uri(id: i64) -> String {
    format!("at://did:plc:ada/fm.plyr.track/{id}")
}

fn negated(ids: &[i64]) -> Json<Value> {
    Json(json!({ "negated_uris": ids.iter().map(|id| uri(*id)).collect::<Vec<_>>() }))
}

fn label(id: i64, cts: &str, neg: bool) -> Value {
    json!({ "src": "did:plc:mod", "uri": uri(id), "val": "copyright-violation", "neg": neg, "cts": cts })
}

fn labels(labels: &[Value]) -> Json<Value> {
    Json(json!({ "labels": labels }))
}

#[tokio::test]
async fn a_flag_that_was_taken_back_after_the_scan_goes_and_the_others_stay() {
    let rig = Rig::new(2).await;
    rig.labeler.answer(negated(&[1]));
    rig.labeler.answer(labels(&[
        label(1, "2026-01-02T00:00:00.000Z", false),
        label(1, "2026-01-03T00:00:00.000Z", true),
        json!({ "uri": uri(1), "val": "spam", "cts": "2026-01-04T00:00:00Z" }),
    ]));
    assert_eq!(sync(&rig.services).await.unwrap(), ResolutionsReport { flagged: 2, resolved: 1 });
    assert_eq!((rig.state(1).await, rig.state(2).await), (ScanState::Resolved, ScanState::Flagged));
    let asked = rig.labeler.asked();
    assert_eq!(asked[0].body["uris"], json!([uri(1), uri(2)]));
    assert_eq!(
        (asked[0].target.as_str(), asked[0].headers["x-moderation-key"].to_str().unwrap()),
        ("/internal/negated-labels", "key-secret")
    );
    // Reading labels is open to all: the key stays out of it.
    assert!(asked[1].target.starts_with("/xrpc/com.atproto.label.queryLabels?uriPatterns=at"));
    assert!(!asked[1].headers.contains_key("x-moderation-key"));
}

#[tokio::test]
async fn a_flag_of_new_audio_is_not_cleared_by_an_old_negation_nor_one_that_was_set_again() {
    for cts in [
        vec![label(1, "2025-12-31T00:00:00Z", true)],
        vec![label(1, "2026-01-02T00:00:00Z", true), label(1, "2026-01-03T00:00:00Z", false)],
        vec![label(1, "2026-01-03T00:00:00Z", false), label(1, "2026-01-02T00:00:00Z", true)],
        vec![],
    ] {
        let rig = Rig::new(1).await;
        rig.labeler.answer(negated(&[1])).answer(labels(&cts));
        assert_eq!(sync(&rig.services).await.unwrap().resolved, 0, "{cts:?}");
        assert_eq!(rig.state(1).await, ScanState::Flagged);
    }
}

#[tokio::test]
async fn while_the_labeler_is_away_no_flag_goes() {
    for answer in [StatusCode::BAD_GATEWAY.into_response(), "{}".into_response(), Json(json!([])).into_response()] {
        let rig = Rig::new(1).await;
        rig.labeler.answer(answer);
        failed(sync(&rig.services).await, Verdict::Retry);
        assert_eq!(rig.state(1).await, ScanState::Flagged);
    }
    let rig = Rig::new(1).await;
    rig.labeler.answer((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "9")]));
    failed(sync(&rig.services).await, Verdict::RetryAfter(Duration::from_secs(9)));
}

#[tokio::test]
async fn many_flags_are_asked_about_in_bounded_calls_and_a_second_run_finds_them_done() {
    let rig = Rig::new(600).await;
    for first in [1, 251, 501] {
        let ids: Vec<i64> = (first..=600).take(250).collect();
        rig.labeler.answer(negated(&ids));
        for ids in ids.chunks(40) {
            let page: Vec<Value> = ids.iter().map(|id| label(*id, "2026-01-05T00:00:00Z", true)).collect();
            rig.labeler.answer(labels(&page));
        }
    }
    assert_eq!(sync(&rig.services).await.unwrap(), ResolutionsReport { flagged: 600, resolved: 600 });
    assert!(rig.labeler.asked().iter().all(|asked| asked.target.len() < 4_096));
    assert_eq!(sync(&rig.services).await.unwrap(), ResolutionsReport::default());
}

#[tokio::test]
async fn labels_come_in_pages() {
    let rig = Rig::new(1).await;
    rig.labeler.answer(negated(&[1]));
    let first = label(1, "2026-01-02T00:00:00Z", false);
    rig.labeler.answer(Json(json!({ "labels": [first], "cursor": "2" })));
    rig.labeler.answer(labels(&[label(1, "2026-01-03T00:00:00Z", true)]));
    assert_eq!(sync(&rig.services).await.unwrap().resolved, 1);
    assert!(rig.labeler.asked()[2].target.contains("cursor=2"));
}

#[tokio::test]
async fn an_answer_about_records_nobody_asked_about_changes_nothing() {
    let rig = Rig::new(1).await;
    rig.labeler.answer(negated(&[7])).answer(labels(&[]));
    assert_eq!(sync(&rig.services).await.unwrap().resolved, 0);
    assert_eq!(rig.labeler.asked().len(), 1);
}
