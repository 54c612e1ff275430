//! Replicate: one prediction, from its making to its end.

use std::fmt;
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Call, CallError, address, below, check_token, client};
use super::secret::Secret;

/// The model: effnet-discogs, pinned.
const VERSION: &str = "1532dd069fb4f0e27c6833e28815f6b8c194dfec76fd9cd73460540fd720ffe1";
/// How long one call may take; the service holds the first one for up to a minute.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);
/// The pause between looks at a prediction that is not done.
const POLL_PAUSE: Duration = Duration::from_secs(2);

/// A client of the service, with one pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Replicate {
    http: Client,
    base: Url,
    token: Secret,
    labels_max: u32,
    poll_pause: Duration,
}

/// A prediction as the service shows it.
#[derive(Deserialize)]
struct Prediction {
    status: String,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    output: Value,
    #[serde(default)]
    urls: Urls,
}

#[derive(Deserialize, Default)]
struct Urls {
    get: Option<String>,
}

impl Replicate {
    /// A client of the service at `url`; a prediction names `labels_max` labels at most.
    pub fn new(url: &str, token: Secret, labels_max: u32) -> Result<Self> {
        let base = address("REPLICATE_API_URL", url)?;
        check_token("REPLICATE_API_TOKEN", &token)?;
        if labels_max == 0 {
            return Err(Error::config("read REPLICATE_TOP_N", "it must be at least 1"));
        }
        let http = client("set up the Replicate client", CALL_TIMEOUT)?;
        Ok(Self { http, base, token, labels_max, poll_pause: POLL_PAUSE })
    }

    #[cfg(test)]
    pub(crate) fn with_poll_pause(self, poll_pause: Duration) -> Self {
        Self { poll_pause, ..self }
    }

    /// The genres in the audio at `audio_url`: `Genre---Subgenre` and a score from 0 to 1. It waits
    /// for a cold model as long as it may.
    ///
    /// # Errors
    ///
    /// Retryable: no answer, a timeout, 408, 425, 429, 5xx, a prediction that failed or was
    /// cancelled. For good: every other 4xx.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the prediction goes on at the service, and is paid for.
    pub async fn genres(&self, audio_url: &str) -> Result<Map<String, Value>, CallError> {
        let input = json!({ "audio": audio_url, "top_n": self.labels_max, "output_format": "JSON" });
        let request = self.http.post(below(&self.base, "v1/predictions")).header("Prefer", "wait");
        let request = request.bearer_auth(self.token.reveal()).json(&json!({ "version": VERSION, "input": input }));
        let mut prediction: Prediction = call("ask for a prediction").send(request).await?;
        loop {
            match prediction.status.as_str() {
                "succeeded" => return self.output(&prediction.output).await,
                "starting" | "processing" => {}
                status => {
                    let why = format!("it {status}: {}", prediction.error.as_str().unwrap_or("no reason given"));
                    return Err(Error::new(ErrorKind::Unavailable, "await a prediction", why).into());
                }
            }
            let next = self.next(&prediction)?;
            tokio::time::sleep(self.poll_pause).await;
            let request = self.http.get(next).bearer_auth(self.token.reveal());
            prediction = call("await a prediction").send(request).await?;
        }
    }

    /// The address to poll. The token is sent to the service only, even if the answer names another
    /// host.
    fn next(&self, prediction: &Prediction) -> Result<Url, CallError> {
        let next = prediction.urls.get.as_deref().and_then(|url| Url::parse(url).ok());
        next.filter(|url| url.origin() == self.base.origin()).ok_or_else(|| {
            let why = "the prediction is not done, and its answer gives no address to ask again";
            Error::new(ErrorKind::Unavailable, "await a prediction", why).into()
        })
    }

    /// The labels themselves: the prediction holds them, or where they are.
    async fn output(&self, output: &Value) -> Result<Map<String, Value>, CallError> {
        let wrong = |why: &str| CallError::from(Error::new(ErrorKind::Unavailable, "read a prediction", why));
        match output {
            Value::Object(labels) => Ok(labels.clone()),
            Value::String(url) => {
                let url = Url::parse(url).map_err(|_| wrong("its output is not an address"))?;
                // Without the token: it is another host.
                call("read a prediction").send(self.http.get(url)).await
            }
            _ => Err(wrong("it succeeded without an output")),
        }
    }
}

fn call(operation: &'static str) -> Call {
    Call { operation, address: "REPLICATE_API_URL", token: "REPLICATE_API_TOKEN" }
}

impl fmt::Debug for Replicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicate").field("host", &self.base.host_str()).finish_non_exhaustive()
    }
}
