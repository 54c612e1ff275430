//! The labeler: it hears of flags, and says which of them moderators took back.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use docket_core::{Result, Timestamp};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::{Call, CallError, address, below, check_token, client};
use super::secret::Secret;

/// The label that flagged audio has.
const LABEL: &str = "copyright-violation";
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Records asked about in one query: an address of some thousand bytes.
const PATTERNS_MAX: usize = 40;
/// Labels of one page.
const PAGE: usize = 250;

/// A client of the labeler, with one pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Labeler {
    http: Client,
    base: Url,
    token: Secret,
}

/// A flag, as moderators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FlagEvent {
    /// The track's record.
    pub subject_uri: String,
    /// The track.
    pub subject_track_id: i64,
    /// The recognised recordings, in a sentence.
    pub notes: String,
}

/// One label, as `com.atproto.label.queryLabels` shows it.
#[derive(Deserialize)]
struct Label {
    uri: String,
    val: String,
    #[serde(default)]
    neg: bool,
    cts: String,
}

#[derive(Deserialize)]
struct Labels {
    labels: Vec<Label>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Negated {
    negated_uris: Vec<String>,
}

impl Labeler {
    /// A client of the labeler at `url`.
    pub fn new(url: &str, token: Secret) -> Result<Self> {
        let base = address("MODERATION_LABELER_URL", url)?;
        check_token("MODERATION_AUTH_TOKEN", &token)?;
        Ok(Self { http: client("set up the labeler", TIMEOUT)?, base, token })
    }

    /// Of these records, those whose flag is taken back, and when it was. A record that was flagged again since is not
    /// among them.
    ///
    /// # Errors
    ///
    /// As [`crate::Moderation::scan`]. An error is never an empty answer.
    pub async fn negations(&self, uris: &[&str]) -> Result<HashMap<String, Timestamp>, CallError> {
        let call = call("ask the labeler which flags were taken back");
        let request = self.http.post(below(&self.base, "internal/negated-labels"));
        let request = request.header("X-Moderation-Key", self.token.reveal()).json(&json!({ "uris": uris }));
        let Negated { mut negated_uris } = call.send(request).await?;
        negated_uris.retain(|uri| uris.contains(&uri.as_str()));
        let mut latest = HashMap::new();
        for uris in negated_uris.chunks(PATTERNS_MAX) {
            self.read_labels(uris, &mut latest).await?;
        }
        Ok(latest.into_iter().filter(|(_, (_, is_negated))| *is_negated).map(|(uri, (at, _))| (uri, at)).collect())
    }

    /// Reads the latest label of each record: its time, and whether it takes the flag back.
    async fn read_labels(
        &self,
        uris: &[String],
        latest: &mut HashMap<String, (Timestamp, bool)>,
    ) -> Result<(), CallError> {
        let mut cursor: Option<String> = None;
        loop {
            let url = self.query(uris, cursor.as_deref());
            let page: Labels = call("read labels").send(self.http.get(url)).await?;
            let ended = page.labels.is_empty();
            for label in page.labels.into_iter().filter(|label| label.val == LABEL) {
                let Ok(moment) = label.cts.parse::<jiff::Timestamp>() else { continue };
                let at = Timestamp::from_micros(moment.as_microsecond());
                let known = latest.entry(label.uri).or_insert((at, label.neg));
                // The later one counts; of two at the same time, the one that does not revoke.
                if at > known.0 || (at == known.0 && !label.neg) {
                    *known = (at, label.neg);
                }
            }
            match page.cursor {
                Some(next) if !ended && cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => return Ok(()),
            }
        }
    }

    fn query(&self, uris: &[String], cursor: Option<&str>) -> Url {
        let mut url = below(&self.base, "xrpc/com.atproto.label.queryLabels");
        let patterns = uris.iter().map(|uri| ("uriPatterns", uri.as_str()));
        let cursor = cursor.map(|cursor| ("cursor", cursor));
        url.query_pairs_mut().extend_pairs(patterns.chain(cursor)).append_pair("limit", &PAGE.to_string());
        url
    }

    /// Tells moderators of a flag. Telling it twice makes two entries, unless the labeler honours `idempotency_key`, which
    /// goes with it as `Idempotency-Key`.
    ///
    /// # Errors
    ///
    /// As [`crate::Moderation::scan`].
    pub async fn report(&self, event: &FlagEvent, idempotency_key: &str) -> Result<(), CallError> {
        let mut body = json!(event);
        body["action"] = "flagged_by_scan".into();
        body["actor"] = "service:copyright-scan".into();
        body["reason"] = "fingerprint_match".into();
        let request = self.http.post(below(&self.base, "internal/events"));
        let request = request.header("X-Moderation-Key", self.token.reveal());
        let request = request.header("Idempotency-Key", idempotency_key).json(&body);
        call("report a flag to the labeler").send::<serde::de::IgnoredAny>(request).await.map(|_| ())
    }
}

fn call(operation: &'static str) -> Call {
    Call { operation, address: "MODERATION_LABELER_URL", token: "MODERATION_AUTH_TOKEN" }
}

impl fmt::Debug for Labeler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("Labeler").field("host", &self.base.host_str()).finish_non_exhaustive()
    }
}
