use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use docket_core::Verdict;

use super::*;
use crate::testing::{self, ToldService, failed, track};
use crate::{Catalogue, Chat, ChatAccess, Labeler, Match, MemoryCatalogue, Notices, ScanState, Secret, Told};

const BOT: &str = "did:plc:bot";

/// Track 1 is flagged; the labeler and the bot's PDS give prepared answers.
struct Rig {
    labeler: ToldService,
    chat: ToldService,
    catalogue: Arc<MemoryCatalogue>,
    services: Services,
}

impl Rig {
    async fn new() -> Self {
        let (labeler, chat) = (ToldService::default(), ToldService::default());
        let catalogue = Arc::new(MemoryCatalogue::default());
        catalogue.put_track(track(1));
        catalogue.record_scan(&flagged()).await.unwrap();
        let services = testing::services(catalogue.clone())
            .with_labeler(Labeler::new(&labeler.serve().await, Secret::new("key-secret")).unwrap())
            .with_notifier(notifier(chat.serve().await));
        Self { labeler, chat, catalogue, services }
    }

    async fn notify(&self) -> Result<NotifyReport, Failure> {
        NotifyFlag { track_id: 1, file_id: "file1".to_owned() }.notify(&self.services).await
    }

    async fn told(&self) -> Told {
        self.catalogue.told(1, "file1").await.unwrap().unwrap()
    }

    /// The conversation is there.
    fn opens(&self) -> &ToldService {
        self.chat.answer(Json(json!({ "did": "did:plc:admin" }))).answer(Json(json!({ "convo": { "id": "c1" } })))
    }

    /// The bot may log in, and the conversation is there.
    fn lets_in(&self) -> &ToldService {
        self.chat.answer(login());
        self.opens()
    }

    /// Methods that were called at the bot's PDS, without their queries.
    fn called(&self) -> Vec<String> {
        let name = |target: &str| target.split('?').next().unwrap().rsplit('.').next().unwrap().to_owned();
        self.chat.asked().iter().map(|asked| name(&asked.target)).collect()
    }
}

fn notifier(url: String) -> Notifier {
    let access = ChatAccess {
        url,
        bot_handle: "bot.plyr.fm".to_owned(),
        bot_password: Secret::new("app-secret"),
        recipient_handle: "admin.plyr.fm".to_owned(),
    };
    let chat = Chat::new(access, Duration::from_millis(500)).unwrap();
    Notifier { chat, app_name: "plyr.fm (staging)".to_owned(), frontend_url: Some("https://plyr.fm/".to_owned()) }
}

fn login() -> Json<Value> {
    Json(json!({ "did": BOT, "accessJwt": "jwt-secret", "refreshJwt": "refresh-secret" }))
}

fn flagged() -> Scan {
    Scan {
        track_id: 1,
        file_id: "file1".to_owned(),
        state: ScanState::Flagged,
        highest_score: 0.0,
        matches: vec![Match { artist: "Bob".to_owned(), title: "Notes".to_owned(), score: 91.0 }],
        self_match: None,
        raw_response: Value::Null,
        error: None,
        scanned_at: testing::run(1).leased_at,
    }
}

fn sent(begun: u32) -> Notice {
    Notice { begun, is_sent: true }
}

fn all_told() -> NotifyReport {
    NotifyReport::Flagged { event: Notified::Told, message: Notified::Told }
}

fn page(messages: &[(&str, &str)], cursor: Option<&str>) -> Json<Value> {
    let shown = |(did, text): &(&str, &str)| json!({ "id": "m", "text": text, "sender": { "did": did } });
    Json(json!({ "messages": messages.iter().map(shown).collect::<Vec<_>>(), "cursor": cursor }))
}

/// The message to the admin.
const TEXT: &str = "plyr.fm (staging): copyright flag on \"Song 1\" by @ada.bsky.social\n\
    1 match, the first \"Notes\" by Bob\nhttps://plyr.fm/track/1\ntrack 1, audio file1";

#[tokio::test]
async fn moderators_and_the_admin_are_told_once_however_often_it_runs() {
    let rig = Rig::new().await;
    rig.labeler.answer(Json(json!({})));
    rig.lets_in().answer(Json(json!({ "id": "m1" })));
    assert_eq!(rig.notify().await.unwrap(), all_told());
    assert_eq!(rig.notify().await.unwrap(), all_told());
    assert_eq!(rig.told().await, Told { event: sent(1), message: sent(1) });

    let events = rig.labeler.asked();
    assert_eq!((events.len(), events[0].target.as_str()), (1, "/internal/events"));
    assert_eq!(events[0].headers["idempotency-key"], "flag:1:file1");
    assert_eq!(events[0].headers["x-moderation-key"], "key-secret");
    let event = json!({
        "subject_uri": "at://did:plc:ada/fm.plyr.track/1", "subject_track_id": 1,
        "notes": "1 match, the first \"Notes\" by Bob",
        "action": "flagged_by_scan", "actor": "service:copyright-scan", "reason": "fingerprint_match",
    });
    assert_eq!(events[0].body, event);

    assert_eq!(rig.called(), ["createSession", "getProfile", "getConvoForMembers", "sendMessage"]);
    let calls = rig.chat.asked();
    assert_eq!(calls[0].body, json!({ "identifier": "bot.plyr.fm", "password": "app-secret" }));
    assert!(
        calls[1].target.ends_with("?actor=admin.plyr.fm") && calls[2].target.contains("?members=did%3Aplc%3Aadmin")
    );
    assert_eq!(calls[3].headers["atproto-proxy"], "did:web:api.bsky.chat#bsky_chat");
    assert_eq!(calls[3].headers["authorization"], "Bearer jwt-secret");
    assert_eq!(calls[3].body, json!({ "convoId": "c1", "message": { "text": TEXT } }));
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_looked_for_and_not_sent_again() {
    let rig = Rig::new().await;
    rig.labeler.answer(Json(json!({})));
    // Sent, and no answer.
    rig.lets_in();
    let error = failed(rig.notify().await, Verdict::Retry);
    assert!(error.contains("send a message") && error.contains("no answer in time"), "{error}");
    assert_eq!(rig.told().await, Told { event: sent(1), message: Notice { begun: 1, is_sent: false } });
    // On the second page, after others' messages and one of the admin's with the same words.
    rig.opens()
        .answer(page(&[("did:plc:admin", TEXT), (BOT, "hello")], Some("next")))
        .answer(page(&[(BOT, TEXT)], None));
    assert_eq!(rig.notify().await.unwrap(), all_told());
    let calls = rig.called();
    assert_eq!(calls[4..], ["getProfile", "getConvoForMembers", "getMessages", "getMessages"]);
    assert!(rig.chat.asked()[7].target.contains("cursor=next"));
    assert_eq!((rig.told().await.message, rig.labeler.asked().len()), (sent(2), 1));
}

#[tokio::test]
async fn a_message_that_was_begun_and_never_sent_is_sent() {
    let rig = Rig::new().await;
    rig.labeler.answer(Json(json!({})));
    let step = NoticeStep::begin(NoticeKind::Message, Notice::default());
    assert!(rig.catalogue.record_notice(1, "file1", step).await.unwrap());
    rig.lets_in().answer(page(&[(BOT, "another flag")], None)).answer(Json(json!({})));
    assert_eq!(rig.notify().await.unwrap(), all_told());
    assert_eq!(rig.called()[3..], ["getMessages", "sendMessage"]);
}

#[tokio::test]
async fn of_two_runs_one_tells() {
    let rig = Rig::new().await;
    let step = NoticeStep::begin(NoticeKind::Event, Notice::default());
    let flag = NotifyFlag { track_id: 1, file_id: "file1".to_owned() };
    assert!(rig.catalogue.record_notice(1, "file1", step).await.unwrap());
    // As a run that read before the other one began.
    let sending = async { panic!("it is the other's") };
    let ended = flag.tell(&rig.services, NoticeKind::Event, Notice::default(), sending).await;
    assert_eq!(failed(ended, Verdict::Retry), "another run tells of the same flag");
}

#[tokio::test]
async fn a_labeler_that_is_away_does_not_keep_the_message_and_only_the_event_is_tried_again() {
    let rig = Rig::new().await;
    rig.labeler.answer((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "busy")).answer(Json(json!({})));
    rig.lets_in().answer(Json(json!({})));
    failed(rig.notify().await, Verdict::RetryAfter(Duration::from_secs(7)));
    assert_eq!(rig.told().await, Told { event: Notice { begun: 1, is_sent: false }, message: sent(1) });
    assert_eq!(rig.notify().await.unwrap(), all_told());
    assert_eq!((rig.labeler.asked().len(), rig.called().len()), (2, 4));
}

#[tokio::test]
async fn an_outage_of_chat_is_tried_again_and_a_refusal_is_final() {
    for (answer, is_final, reason) in [
        ((StatusCode::TOO_MANY_REQUESTS, ""), false, "429"),
        ((StatusCode::BAD_GATEWAY, "away"), false, "502"),
        ((StatusCode::OK, "<html>"), false, "unexpected form"),
        ((StatusCode::UNAUTHORIZED, ""), true, "NOTIFY_BOT_PASSWORD"),
        ((StatusCode::BAD_REQUEST, "recipient has disabled incoming messages"), true, "disabled incoming"),
    ] {
        let rig = Rig::new().await;
        rig.labeler.answer(Json(json!({})));
        rig.chat.answer(login()).answer(Json(json!({ "did": "did:plc:admin" }))).answer(answer);
        let verdict = if is_final { Verdict::Fatal } else { Verdict::Retry };
        let error = failed(rig.notify().await, verdict);
        assert!(error.contains(reason) && !error.contains("secret"), "{error}");
        assert!(rig.told().await.event.is_sent && !rig.told().await.message.is_sent);
    }
}

#[tokio::test]
async fn a_wrong_app_password_is_final_and_shown_nowhere() {
    let rig = Rig::new().await;
    rig.labeler.answer(Json(json!({})));
    rig.chat.answer((StatusCode::UNAUTHORIZED, "Invalid identifier or password"));
    let error = failed(rig.notify().await, Verdict::Fatal);
    assert!(error.contains("NOTIFY_BOT_PASSWORD") && !error.contains("app-secret"), "{error}");
    let shown = format!("{:?}", rig.services);
    assert!(shown.contains("bot.plyr.fm") && !shown.contains("app-secret"), "{shown}");
}

#[tokio::test]
async fn a_login_serves_many_messages_and_one_that_ended_early_is_renewed() {
    let rig = Rig::new().await;
    let chat = &rig.services.notifier.as_ref().unwrap().chat;
    rig.lets_in().answer(Json(json!({})));
    chat.send("one").await.unwrap();
    rig.opens().answer(Json(json!({})));
    chat.send("two").await.unwrap();
    rig.chat.answer((StatusCode::BAD_REQUEST, r#"{"error":"ExpiredToken"}"#));
    rig.lets_in().answer(Json(json!({})));
    chat.send("three").await.unwrap();
    let logins = rig.called().iter().filter(|method| *method == "createSession").count();
    assert_eq!(logins, 2);
    let texts: Vec<Value> = rig.chat.asked().into_iter().map(|asked| asked.body["message"]["text"].clone()).collect();
    assert_eq!(texts.iter().filter(|text| !text.is_null()).collect::<Vec<_>>(), ["one", "two", "three"]);
}

#[tokio::test]
async fn the_bots_own_pds_is_asked() {
    let rig = Rig::new().await;
    let (own, chat) = (ToldService::default(), &rig.services.notifier.as_ref().unwrap().chat);
    let document = |url: &str| {
        let service = json!([{ "id": "#atproto_pds", "serviceEndpoint": url }]);
        Json(json!({ "did": BOT, "accessJwt": "jwt-secret", "didDoc": { "service": service } }))
    };
    rig.chat.answer(document(&own.serve().await));
    own.answer(Json(json!({ "did": "did:plc:admin" }))).answer(Json(json!({ "convo": { "id": "c1" } })));
    own.answer(Json(json!({})));
    chat.send("hello").await.unwrap();
    assert_eq!((rig.chat.asked().len(), own.asked().len()), (1, 3));
}

#[tokio::test]
async fn what_is_not_set_up_is_skipped_with_the_reason() {
    let rig = Rig::new().await;
    let services = testing::services(rig.catalogue.clone());
    let flag = NotifyFlag { track_id: 1, file_id: "file1".to_owned() };
    let (event, message) = (skipped("there is no labeler"), skipped("NOTIFY_ENABLED is false"));
    assert_eq!(flag.notify(&services).await.unwrap(), NotifyReport::Flagged { event, message });

    rig.catalogue.put_track(Track { record_uri: None, ..track(1) });
    rig.lets_in().answer(Json(json!({})));
    let event = skipped("the track has no record");
    assert_eq!(rig.notify().await.unwrap(), NotifyReport::Flagged { event, message: Notified::Told });
    assert_eq!(rig.labeler.asked().len(), 0);
}

#[tokio::test]
async fn nobody_is_told_of_what_is_no_flag() {
    let rig = Rig::new().await;
    rig.catalogue.record_scan(&Scan { state: ScanState::Resolved, ..flagged() }).await.unwrap();
    assert_eq!(rig.notify().await.unwrap(), NotifyReport::NotFlagged);
    rig.catalogue.record_scan(&flagged()).await.unwrap();
    rig.catalogue.put_track(Track { audio: None, ..track(1) });
    assert_eq!(rig.notify().await.unwrap(), NotifyReport::NotFlagged);
    assert!(rig.labeler.asked().is_empty() && rig.chat.asked().is_empty());
}

#[test]
fn a_message_fits_whatever_the_title_is() {
    let long = "é\n".repeat(2_000);
    let matches = vec![Match { artist: long.clone(), title: long.clone(), score: 1.0 }; 3];
    let track = Track { title: long.clone(), artist_handle: long, ..track(1) };
    let text = message::text(&notifier("https://bsky.social".to_owned()), &track, &Scan { matches, ..flagged() });
    assert!(text.chars().count() < 1_000 && text.lines().count() == 4, "{text}");
    assert!(text.contains("3 matches"));
}
