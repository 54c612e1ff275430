use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::json;

use docket_core::Verdict;

use super::*;
use crate::testing::{self, ToldService, failed, track};
use crate::{AudioFile, Genres, MemoryCatalogue, Replicate, Secret, Track};

struct Rig {
    service: ToldService,
    url: String,
    catalogue: Arc<MemoryCatalogue>,
    services: Services,
}

impl Rig {
    /// Track 1 is Ada's.
    async fn new() -> Self {
        let service = ToldService::default();
        let url = service.serve().await;
        let catalogue = Arc::new(MemoryCatalogue::default());
        catalogue.put_track(track(1));
        let replicate = Replicate::new(&url, Secret::new("r8-secret"), 10).unwrap();
        let services = testing::services(catalogue.clone()).with_replicate(replicate.with_poll_pause(Duration::ZERO));
        Self { service, url, catalogue, services }
    }

    async fn classify(&self) -> Result<GenresReport, Failure> {
        ClassifyGenres { track_id: 1, file_id: "file1".to_owned() }.classify(&self.services).await
    }

    fn prediction(&self, status: &str, output: &Value) -> Json<Value> {
        let get = format!("{}/v1/predictions/p1", self.url);
        Json(json!({ "id": "p1", "status": status, "output": output, "error": "cold", "urls": { "get": get } }))
    }

    async fn kept(&self) -> Option<Vec<Genre>> {
        self.catalogue.genres(1, "file1").await.unwrap()
    }
}

fn heard() -> Value {
    json!({ "Electronic---Ambient": 0.812_34, "Electronic---House": 0.5, "Rock---Indie Rock": 0.1, "Odd": "no number" })
}

#[tokio::test]
async fn a_label_becomes_two_genres_each_once_and_the_surest_first() {
    let rig = Rig::new().await;
    rig.service.answer(rig.prediction("succeeded", &heard()));
    let report = rig.classify().await.unwrap();
    assert_eq!(report, GenresReport::Classified { top_genre: Some("ambient".into()), count: 5, tagged: false });
    let kept: Vec<_> = rig.kept().await.unwrap().into_iter().map(|genre| (genre.name, genre.confidence)).collect();
    let expected = [("ambient", 0.8123), ("electronic", 0.8123), ("house", 0.5), ("indie rock", 0.1), ("rock", 0.1)];
    assert_eq!(kept, expected.map(|(name, confidence)| (name.to_owned(), confidence)));
    let asked = rig.service.asked();
    assert_eq!((asked.len(), asked[0].headers["authorization"].to_str().unwrap()), (1, "Bearer r8-secret"));
    assert_eq!(asked[0].body["input"]["audio"], "https://audio.plyr.fm/audio/file1.mp3");
}

#[tokio::test]
async fn a_cold_model_is_waited_for_and_its_output_fetched_without_the_token() {
    let rig = Rig::new().await;
    let output = json!(format!("{}/output.json", rig.url));
    for status in ["starting", "processing"] {
        rig.service.answer(rig.prediction(status, &Value::Null));
    }
    rig.service.answer(rig.prediction("succeeded", &output)).answer(Json(heard()));
    assert!(matches!(rig.classify().await.unwrap(), GenresReport::Classified { count: 5, .. }));
    let asked = rig.service.asked();
    let targets: Vec<_> = asked.iter().map(|asked| asked.target.as_str()).collect();
    assert_eq!(targets, ["/v1/predictions", "/v1/predictions/p1", "/v1/predictions/p1", "/output.json"]);
    assert!(asked[2].headers.contains_key("authorization") && !asked[3].headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_token_goes_nowhere_else_whatever_the_answer_says() {
    let rig = Rig::new().await;
    let elsewhere = ToldService::default();
    let get = format!("{}/v1/predictions/p1", elsewhere.serve().await);
    rig.service.answer(Json(json!({ "status": "processing", "urls": { "get": get } })));
    assert!(failed(rig.classify().await, Verdict::Retry).contains("no address to ask"));
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn what_can_pass_is_tried_again_and_a_refusal_is_final() {
    let table = [
        ((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response(), Some(Some(7))),
        (StatusCode::BAD_GATEWAY.into_response(), Some(None)),
        ("<html>".into_response(), Some(None)),
        (Json(json!({ "status": "failed", "error": "out of memory" })).into_response(), Some(None)),
        (Json(json!({ "status": "canceled" })).into_response(), Some(None)),
        (Json(json!({ "status": "succeeded", "output": null })).into_response(), Some(None)),
        (StatusCode::UNAUTHORIZED.into_response(), None),
        ((StatusCode::UNPROCESSABLE_ENTITY, "no such version").into_response(), None),
    ];
    for (answer, wait) in table {
        let rig = Rig::new().await;
        rig.service.answer(answer);
        let failure = rig.classify().await.unwrap_err();
        let found = match failure.verdict() {
            Verdict::Retry => Some(None),
            Verdict::RetryAfter(after) => Some(Some(after.as_secs())),
            _ => None,
        };
        assert_eq!(found, wait, "{failure:?}");
        assert!(!format!("{failure:?}").contains("r8-secret"));
        assert_eq!(rig.kept().await, None);
    }
}

#[tokio::test]
async fn a_long_refusal_is_cut_and_not_dropped() {
    let rig = Rig::new().await;
    rig.service.answer((StatusCode::BAD_REQUEST, format!("no such version{}", "!".repeat(9_000))));
    let error = failed(rig.classify().await, Verdict::Fatal);
    assert!(error.contains("no such version") && error.len() < 400, "{error}");
}

#[tokio::test]
async fn tags_are_made_once_where_they_were_asked_for() {
    let rig = Rig::new().await;
    rig.catalogue.ask_for_tags(1);
    rig.service.answer(rig.prediction("succeeded", &heard()));
    assert!(matches!(rig.classify().await.unwrap(), GenresReport::Classified { tagged: true, .. }));
    assert_eq!(rig.catalogue.tags_of(1), ["ambient", "electronic", "house"]);
    // A run after a crash behind the row: nothing is paid for again, and no tag that was taken off comes back.
    assert!(matches!(rig.classify().await.unwrap(), GenresReport::Classified { tagged: false, .. }));
    assert_eq!(rig.service.asked().len(), 1);
}

#[tokio::test]
async fn audio_replaced_before_or_meanwhile_keeps_nothing() {
    let replaced = || Track { audio: Some(AudioFile::new("other", "mp3")), ..track(1) };
    let before = Rig::new().await;
    before.catalogue.put_track(replaced());
    assert_eq!(before.classify().await.unwrap(), GenresReport::AudioReplaced);
    assert_eq!(before.service.asked().len(), 0);

    let meanwhile = Arc::new(Rig::new().await);
    let run = tokio::spawn({
        let rig = meanwhile.clone();
        async move { rig.classify().await }
    });
    testing::until(|| meanwhile.service.asked().len() == 1).await;
    // The request that waits has no answer; a second run gets one, after the audio has gone.
    run.abort();
    meanwhile.service.answer(meanwhile.prediction("processing", &Value::Null));
    let classify = meanwhile.classify();
    let replace = async {
        testing::until(|| meanwhile.service.asked().len() == 3).await;
        meanwhile.catalogue.put_track(replaced());
    };
    tokio::select! {
        _ = classify => panic!("it has no answer yet"),
        () = replace => {}
    }
    meanwhile.service.answer(meanwhile.prediction("succeeded", &heard()));
    assert_eq!(meanwhile.classify().await.unwrap(), GenresReport::AudioReplaced);
    assert_eq!(meanwhile.catalogue.genres(1, "other").await.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_track_is_fatal_and_gated_audio_is_skipped() {
    let rig = Rig::new().await;
    let unknown = ClassifyGenres { track_id: 9, file_id: "file9".to_owned() }.classify(&rig.services).await;
    assert!(failed(unknown, Verdict::Fatal).contains('9'));
    rig.catalogue.put_track(Track { storage: AudioStorage::Private, audio_url: None, ..track(1) });
    assert!(matches!(rig.classify().await.unwrap(), GenresReport::Skipped { .. }));
}
