//! The moderation service: one question, and every way it may go unanswered.

use std::fmt;
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::retry_after::retry_after;
use super::secret::Secret;
use crate::Match;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 512 << 10;
/// Bytes of a refusal that are shown.
const REFUSAL_BYTES_SHOWN: usize = 200;

/// A client of the moderation service, with one pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Moderation {
    http: Client,
    endpoint: Url,
    token: Secret,
}

/// What the service says about a piece of audio.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// It is somebody else's.
    pub is_flagged: bool,
    /// How sure the service is.
    pub highest_score: f64,
    /// What it recognised.
    pub matches: Vec<Match>,
    /// The whole answer of the fingerprint service behind it.
    pub raw_response: Value,
}

/// Why there is no verdict.
#[derive(Debug)]
pub struct ScanError {
    /// What happened; retryable if asking again can help.
    pub error: Error,
    /// When the service said to come back.
    pub retry_after: Option<Duration>,
}

/// The answer as sent. `is_flagged` has no default: an answer without a verdict is not a clear one.
#[derive(Deserialize)]
struct Answer {
    is_flagged: bool,
    #[serde(default)]
    highest_score: f64,
    #[serde(default)]
    matches: Vec<Match>,
    #[serde(default)]
    raw_response: Value,
}

impl Moderation {
    /// A client of the service at `url`. A scan takes at most `timeout`, from connecting to the end of the answer.
    pub fn new(url: &str, token: Secret, timeout: Duration) -> Result<Self> {
        let operation = "read MODERATION_SERVICE_URL";
        let base = Url::parse(url).map_err(|e| Error::config(operation, e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(Error::config(operation, "it must be an http:// or https:// address"));
        }
        if token.reveal().is_empty() || !token.reveal().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::config("read MODERATION_AUTH_TOKEN", "it must be printable ASCII, without spaces"));
        }
        if timeout.is_zero() {
            return Err(Error::config("read MODERATION_TIMEOUT_SECONDS", "zero never means infinite"));
        }
        let mut endpoint = base;
        endpoint.set_path(&format!("{}/scan", endpoint.path().trim_end_matches('/')));
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // A redirect would carry the token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| Error::config("set up the moderation client", e.to_string()))?;
        Ok(Self { http, endpoint, token })
    }

    /// Asks about the audio at `audio_url`.
    ///
    /// # Errors
    ///
    /// Retryable: no answer, a timeout, 408, 425, 429, 5xx, an answer that is no verdict. For good: 401 and 403 (the
    /// token is wrong), a redirect, every other 4xx (the service will not scan this).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection; the service may still scan, and charge.
    pub async fn scan(&self, audio_url: &str) -> Result<Verdict, ScanError> {
        let request = self.http.post(self.endpoint.clone()).header("X-Moderation-Key", self.token.reveal());
        let response = request.json(&json!({ "audio_url": audio_url })).send().await.map_err(unanswered)?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let body = body(response, ANSWER_BYTES_MAX).await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|e| ScanError::from(Error::new(ErrorKind::Unavailable, SCAN, format!("no verdict: {e}"))))?;
        let Answer { is_flagged, highest_score, matches, raw_response } = answer;
        Ok(Verdict { is_flagged, highest_score, matches, raw_response })
    }
}

const SCAN: &str = "scan audio at the moderation service";

impl From<Error> for ScanError {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

impl fmt::Debug for Moderation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("Moderation").field("host", &self.endpoint.host_str()).finish_non_exhaustive()
    }
}

fn unanswered(error: reqwest::Error) -> ScanError {
    let what = if error.is_timeout() { "no answer in time" } else { "the connection failed" };
    Error::new(ErrorKind::Unavailable, SCAN, what).with_source(error.without_url()).into()
}

/// Sorts what is not a success by what the caller can do.
async fn refused(response: Response) -> ScanError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let kind = match status {
        // The service is overloaded, or broken, or says it is not ready: it may be well again later.
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Unavailable,
        status if status.is_server_error() => ErrorKind::Unavailable,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let why = format!("it answered {status}: MODERATION_AUTH_TOKEN is not the service's");
            return Error::config(SCAN, why).into();
        }
        status if status.is_redirection() => {
            let why = format!("it answered {status}: MODERATION_SERVICE_URL is not the service itself");
            return Error::config(SCAN, why).into();
        }
        _ => ErrorKind::Refused,
    };
    let text = body(response, REFUSAL_BYTES_SHOWN).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    ScanError { error: Error::new(kind, SCAN, format!("it answered {status}: {text}")), retry_after }
}

/// Reads the body up to `bytes_max`; a longer one is an error, with what was read so far lost.
async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, ScanError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
        if bytes.len() + chunk.len() > bytes_max {
            let why = format!("its answer has more than {bytes_max} bytes");
            return Err(Error::new(ErrorKind::TooLarge, SCAN, why).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
