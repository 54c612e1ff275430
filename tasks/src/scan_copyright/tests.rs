use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use tokio::sync::Notify;

use docket_core::Verdict;

use super::*;
use crate::testing::{WatchedStore, failed, run, track, until};
use crate::{AudioFile, Buckets, Catalogue, MemoryCatalogue, Moderation, Secret, Storage};

/// A moderation service on loopback: gives prepared answers, in order, and keeps its requests.
#[derive(Clone, Default)]
struct Service(Arc<Told>);

#[derive(Default)]
struct Told {
    answers: Mutex<VecDeque<Response>>,
    answered: Notify,
    /// The key of the request, that of the scan, and the question.
    asked: Mutex<Vec<([String; 2], Value)>>,
}

impl Service {
    fn answer(&self, answer: impl IntoResponse) -> &Self {
        self.0.answers.lock().unwrap().push_back(answer.into_response());
        self.0.answered.notify_one();
        self
    }

    fn asked(&self) -> Vec<([String; 2], Value)> {
        self.0.asked.lock().unwrap().clone()
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/scan", post(scan)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }
}

async fn scan(State(service): State<Service>, headers: HeaderMap, body: axum::Json<Value>) -> Response {
    let keys = ["x-moderation-key", "idempotency-key"].map(|name| headers[name].to_str().unwrap().to_owned());
    service.0.asked.lock().unwrap().push((keys, body.0));
    loop {
        // Told nothing yet: it lets the caller wait.
        let answered = service.0.answered.notified();
        if let Some(answer) = service.0.answers.lock().unwrap().pop_front() {
            return answer;
        }
        answered.await;
    }
}

struct Rig {
    service: Service,
    catalogue: Arc<MemoryCatalogue>,
    services: Services,
}

impl Rig {
    /// Track 1 is Ada's.
    async fn new() -> Self {
        let service = Service::default();
        let url = service.serve().await;
        Self { service, ..Self::at(&url, Duration::from_mins(1)) }
    }

    fn at(url: &str, timeout: Duration) -> Self {
        let catalogue = Arc::new(MemoryCatalogue::default());
        catalogue.put_track(track(1));
        let storage = Storage::from_store(Arc::new(WatchedStore::default()), "memory://");
        let buckets = Buckets { public: storage.clone(), private: None, exports: storage };
        let moderation = Moderation::new(url, Secret::new("moderation-key"), timeout).unwrap();
        let services = Services::new(catalogue.clone(), buckets, Some(moderation));
        Self { service: Service::default(), catalogue, services }
    }

    async fn judge(&self, run: &Run) -> Result<ScanReport, Failure> {
        ScanCopyright { track_id: 1, file_id: "file1".to_owned() }.judge(&self.services, run).await
    }

    async fn row(&self) -> Option<Scan> {
        self.catalogue.scan(1, "file1").await.unwrap()
    }
}

fn clear() -> axum::Json<Value> {
    axum::Json(json!({"is_flagged": false, "matches": [], "raw_response": {"status": "success"}}))
}

fn flagged(artist: &str) -> axum::Json<Value> {
    let found = json!({"artist": artist, "title": "Notes", "score": 91, "timecode": "00:12"});
    axum::Json(json!({"is_flagged": true, "highest_score": 0, "matches": [found], "dominant_match_pct": 40}))
}

fn last() -> Run {
    Run { is_last: true, ..run(5) }
}

#[tokio::test]
async fn a_clear_track_is_asked_about_once_with_the_key_and_kept_as_clear() {
    let rig = Rig::new().await;
    rig.service.answer(clear());
    let report = rig.judge(&run(1)).await.unwrap();
    assert_eq!(report, ScanReport::Scanned { state: ScanState::Clear, match_count: 0, self_match: None });
    let body = json!({"audio_url": "https://audio.plyr.fm/audio/file1.mp3"});
    let keys = ["moderation-key", "scan:1:file1"].map(str::to_owned);
    assert_eq!(rig.service.asked(), [(keys, body)]);
    let row = rig.row().await.unwrap();
    assert_eq!((row.state, row.raw_response), (ScanState::Clear, json!({"status": "success"})));
    assert_eq!(row.scanned_at, run(1).leased_at);
}

#[tokio::test]
async fn a_flagged_track_is_kept_as_flagged_with_its_matches() {
    let rig = Rig::new().await;
    rig.service.answer(flagged("Somebody Else"));
    rig.judge(&run(1)).await.unwrap();
    let row = rig.row().await.unwrap();
    assert_eq!((row.state, row.matches[0].artist.as_str()), (ScanState::Flagged, "Somebody Else"));
}

#[tokio::test]
async fn a_flag_on_the_uploaders_own_recording_is_taken_back() {
    let rig = Rig::new().await;
    rig.catalogue.put_track(Track { artist_name: "Ada Lovelace".to_owned(), ..track(1) });
    rig.service.answer(flagged("ADA LOVELACE"));
    rig.judge(&run(1)).await.unwrap();
    let row = rig.row().await.unwrap();
    assert_eq!((row.state, row.self_match.as_deref()), (ScanState::Clear, Some("ADA LOVELACE")));
}

#[tokio::test]
async fn a_run_after_a_crash_behind_the_row_does_not_pay_again() {
    let rig = Rig::new().await;
    rig.service.answer(flagged("Somebody Else"));
    let report = rig.judge(&run(1)).await.unwrap();
    assert_eq!(rig.judge(&run(2)).await.unwrap(), report);
    assert_eq!((rig.service.asked().len(), rig.catalogue.scans().len()), (1, 1));
}

#[tokio::test]
async fn an_outage_is_tried_again_when_the_service_says_and_leaves_no_row() {
    let rig = Rig::new().await;
    rig.service.answer((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "busy"));
    rig.service.answer((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "99")], ""));
    rig.service.answer((StatusCode::INTERNAL_SERVER_ERROR, ""));
    let error = failed(rig.judge(&run(1)).await, Verdict::RetryAfter(Duration::from_secs(7)));
    assert!(error.contains("503") && error.contains("busy"), "{error}");
    failed(rig.judge(&run(2)).await, Verdict::RetryAfter(Duration::from_secs(99)));
    assert!(failed(rig.judge(&run(3)).await, Verdict::Retry).contains("500"));
    assert_eq!(rig.row().await, None);
}

#[tokio::test]
async fn silence_and_a_refused_connection_are_outages() {
    let silent = Service::default().serve().await;
    for (url, cause) in [(silent.as_str(), "no answer in time"), ("http://127.0.0.1:9", "the connection failed")] {
        let rig = Rig::at(url, Duration::from_millis(300));
        let error = failed(rig.judge(&run(1)).await, Verdict::Retry);
        assert!(error.contains(cause), "{error}");
        assert_eq!(rig.row().await, None);
    }
}

#[tokio::test]
async fn an_answer_without_a_verdict_is_never_clear() {
    for answer in ["{}", "<html>sign in</html>", r#"{"matches": []}"#] {
        let rig = Rig::new().await;
        rig.service.answer(answer);
        assert!(failed(rig.judge(&run(1)).await, Verdict::Retry).contains("unexpected form"));
        assert_eq!(rig.row().await, None);
    }
}

#[tokio::test]
async fn the_last_attempt_of_an_outage_is_a_failed_scan() {
    let rig = Rig::new().await;
    rig.service.answer((StatusCode::BAD_GATEWAY, "away"));
    failed(rig.judge(&last()).await, Verdict::Retry);
    let row = rig.row().await.unwrap();
    assert!(row.state == ScanState::Failed && row.error.unwrap().contains("502"));
}

#[tokio::test]
async fn a_requeued_scan_replaces_the_failure_and_a_late_failure_never_a_verdict() {
    let rig = Rig::new().await;
    rig.service.answer(StatusCode::BAD_GATEWAY).answer(clear());
    rig.judge(&last()).await.unwrap_err();
    rig.judge(&run(6)).await.unwrap();
    assert_eq!(rig.row().await.unwrap().state, ScanState::Clear);
    let late = Scan { state: ScanState::Failed, ..rig.row().await.unwrap() };
    assert_eq!(rig.catalogue.record_scan(&late).await.unwrap(), ScanAnswer::VerdictKept);
    assert_eq!(rig.row().await.unwrap().state, ScanState::Clear);
}

#[tokio::test]
async fn a_refusal_is_final_and_a_failed_scan() {
    for (status, reason) in [
        (StatusCode::UNAUTHORIZED, "MODERATION_AUTH_TOKEN"),
        (StatusCode::FORBIDDEN, "MODERATION_AUTH_TOKEN"),
        (StatusCode::UNPROCESSABLE_ENTITY, "422"),
        (StatusCode::NOT_FOUND, "404"),
        (StatusCode::FOUND, "MODERATION_SERVICE_URL"),
    ] {
        let rig = Rig::new().await;
        rig.service.answer(status);
        let error = failed(rig.judge(&run(1)).await, Verdict::Fatal);
        assert!(error.contains(reason) && !error.contains("moderation-key"), "{error}");
        assert_eq!(rig.row().await.unwrap().state, ScanState::Failed);
    }
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_key_to_another_host() {
    let (rig, other) = (Rig::new().await, Service::default());
    let elsewhere = format!("{}/scan", other.serve().await);
    rig.service.answer((StatusCode::TEMPORARY_REDIRECT, [("location", elsewhere)], ""));
    other.answer(clear());
    let error = failed(rig.judge(&run(1)).await, Verdict::Fatal);
    assert!(error.contains("MODERATION_SERVICE_URL"), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn an_oversized_answer_is_refused() {
    let rig = Rig::new().await;
    rig.service.answer("x".repeat(1 << 20));
    let error = failed(rig.judge(&run(1)).await, Verdict::Fatal);
    assert!(error.contains("more than 524288 bytes"), "{error}");
}

#[tokio::test]
async fn audio_replaced_before_or_during_the_scan_leaves_no_row() {
    let replaced = || Track { audio: Some(AudioFile::new("other", "mp3")), ..track(1) };
    let rig = Rig::new().await;
    let replace = async {
        until(|| !rig.service.asked().is_empty()).await;
        rig.catalogue.put_track(replaced());
        rig.service.answer(clear());
    };
    let run = run(1);
    let (ended, ()) = tokio::join!(rig.judge(&run), replace);
    assert_eq!(ended.unwrap(), ScanReport::AudioReplaced);
    assert_eq!(rig.judge(&run).await.unwrap(), ScanReport::AudioReplaced);
    assert_eq!((rig.service.asked().len(), rig.catalogue.scans().len()), (1, 0));
}

#[tokio::test]
async fn audio_without_a_public_address_is_skipped_and_an_unknown_track_is_fatal() {
    let rig = Rig::new().await;
    rig.catalogue.put_track(Track { storage: AudioStorage::Private, ..track(1) });
    assert_eq!(rig.judge(&run(1)).await.unwrap(), skipped("the audio has no public address"));
    let unknown = ScanCopyright { track_id: 404, file_id: "file1".to_owned() };
    let ended = unknown.judge(&rig.services, &run(1)).await;
    assert_eq!(failed(ended, Verdict::Fatal), "there is no track 404");
}

#[tokio::test]
async fn a_cancelled_scan_stops_waiting() {
    let rig = Rig::new().await;
    let run = run(1);
    run.cancellation.cancel();
    failed(rig.judge(&run).await, Verdict::Cancelled);
    assert_eq!(rig.row().await, None);
}
