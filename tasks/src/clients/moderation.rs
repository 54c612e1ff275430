//! The moderation service: one question, and every way it may go unanswered.

use std::fmt;
use std::time::Duration;

use docket_core::Result;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, CallError, address, below, check_token, client};
use super::secret::Secret;
use crate::Match;

const SCAN: Call = Call {
    operation: "scan audio at the moderation service",
    address: "MODERATION_SERVICE_URL",
    token: "MODERATION_AUTH_TOKEN",
};

/// A client of the moderation service, with one pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Moderation {
    http: Client,
    endpoint: Url,
    token: Secret,
}

/// What the service says about a piece of audio: its answer, as sent. `is_flagged` has no default: an answer without a
/// verdict is not a clear one.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Verdict {
    /// It belongs to another user.
    pub is_flagged: bool,
    /// How sure the service is.
    #[serde(default)]
    pub highest_score: f64,
    /// The recordings that it recognised.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// The whole answer of the fingerprint service behind it.
    #[serde(default)]
    pub raw_response: Value,
}

impl Moderation {
    /// A client of the service at `url`. A scan takes at most `timeout`, from connecting to the end of the answer.
    pub fn new(url: &str, token: Secret, timeout: Duration) -> Result<Self> {
        let endpoint = below(&address(SCAN.address, url)?, "scan");
        check_token(SCAN.token, &token)?;
        Ok(Self { http: client("read MODERATION_TIMEOUT_SECONDS", timeout)?, endpoint, token })
    }

    /// Asks about the audio at `audio_url`. A scan costs money: a service that honours `idempotency_key`, which goes with it
    /// as `Idempotency-Key`, charges for the same one once.
    ///
    /// # Errors
    ///
    /// Retryable: no answer, a timeout, 408, 425, 429, 5xx, an answer without a verdict. For good: 401 and 403 (the
    /// token is wrong), a redirect, every other 4xx (the service will not scan this).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection; the service may still scan, and charge.
    pub async fn scan(&self, audio_url: &str, idempotency_key: &str) -> Result<Verdict, CallError> {
        let request = self.http.post(self.endpoint.clone()).header("X-Moderation-Key", self.token.reveal());
        let request = request.header("Idempotency-Key", idempotency_key);
        SCAN.send(request.json(&json!({ "audio_url": audio_url }))).await
    }
}

impl fmt::Debug for Moderation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("Moderation").field("host", &self.endpoint.host_str()).finish_non_exhaustive()
    }
}
