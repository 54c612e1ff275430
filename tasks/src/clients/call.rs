//! Calls to services that the operator names, with a token of the operator's: the meaning of every
//! answer but a success.

use std::time::Duration;

use docket_core::{Error, ErrorKind, Failure, Result, json};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::retry_after::retry_after;
use super::secret::Secret;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 512 << 10;
/// Bytes of a refusal that are shown.
const REFUSAL_BYTES_SHOWN: usize = 200;

/// Why a service gave no answer that is of use.
#[derive(Debug)]
pub struct CallError {
    /// The error; retryable if asking again can help.
    pub error: Error,
    /// When the service said to come back.
    pub retry_after: Option<Duration>,
}

/// One kind of call to one service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// A verb phrase, for errors.
    pub(crate) operation: &'static str,
    /// The setting that holds its address.
    pub(crate) address: &'static str,
    /// The setting that holds its token.
    pub(crate) token: &'static str,
}

impl Call {
    /// Sends it, and reads the whole answer.
    ///
    /// # Errors
    ///
    /// Retryable: no answer, a timeout, 408, 425, 429, 5xx, an answer that is not of the shape. For good: 401 and 403 (the
    /// token is wrong), a redirect, every other 4xx.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection; the service may still have acted.
    pub(crate) async fn send<T: DeserializeOwned>(self, request: RequestBuilder) -> Result<T, CallError> {
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let body = self.body(response, ANSWER_BYTES_MAX).await?;
        json::decode(&body).map_err(|e| self.unavailable(format!("its answer has an unexpected form: {e}")))
    }

    fn unavailable(self, message: impl Into<String>) -> CallError {
        Error::new(ErrorKind::Unavailable, self.operation, message).into()
    }

    fn unanswered(self, error: reqwest::Error) -> CallError {
        let what = if error.is_timeout() { "no answer in time" } else { "the connection failed" };
        Error::new(ErrorKind::Unavailable, self.operation, what).with_source(error.without_url()).into()
    }

    /// Classifies errors by what the caller can do.
    async fn refused(self, response: Response) -> CallError {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let kind = match status {
            // The service is overloaded, or broken, or says it is not ready: it may be well again later.
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                ErrorKind::Unavailable
            }
            status if status.is_server_error() => ErrorKind::Unavailable,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = format!("it answered {status}: {} is not the service's", self.token);
                return Error::config(self.operation, why).into();
            }
            status if status.is_redirection() => {
                let why = format!("it answered {status}: {} is not the service itself", self.address);
                return Error::config(self.operation, why).into();
            }
            _ => ErrorKind::Refused,
        };
        let text = shown(response).await;
        CallError { error: Error::new(kind, self.operation, format!("it answered {status}: {text}")), retry_after }
    }

    /// Reads the body up to `bytes_max`; a longer one is an error, and the part read so far is
    /// lost.
    async fn body(self, mut response: Response, bytes_max: usize) -> Result<Vec<u8>, CallError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(error))? {
            if bytes.len() + chunk.len() > bytes_max {
                let why = format!("its answer has more than {bytes_max} bytes");
                return Err(Error::new(ErrorKind::TooLarge, self.operation, why).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// The beginning of a refusal, for people.
async fn shown(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < REFUSAL_BYTES_SHOWN
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(REFUSAL_BYTES_SHOWN);
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

impl From<CallError> for Failure {
    /// Trying again no sooner than the service said, if that can help.
    fn from(CallError { error, retry_after }: CallError) -> Self {
        match retry_after {
            Some(after) if error.is_retryable() => Self::retry_after(after, error),
            _ => error.into(),
        }
    }
}

/// A client of one service. A call takes at most `timeout`, from connecting to the end of the answer.
pub(crate) fn client(operation: &'static str, timeout: Duration) -> Result<Client> {
    if timeout.is_zero() {
        return Err(Error::config(operation, "zero never means infinite"));
    }
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .user_agent(USER_AGENT)
        // A redirect would carry the token to another host.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| Error::config(operation, e.to_string()))
}

const USER_AGENT: &str = concat!("plyr.fm docket/", env!("CARGO_PKG_VERSION"));

/// The address of a service, as the setting `name` holds it.
pub(crate) fn address(name: &'static str, url: &str) -> Result<Url> {
    let refuse = |why: String| Error::config(format!("read {name}"), why);
    let base = Url::parse(url).map_err(|e| refuse(e.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
        return Err(refuse("it must be an http:// or https:// address".to_owned()));
    }
    Ok(base)
}

/// `path` below the address of a service.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// Refuses a token that no header can carry.
pub(crate) fn check_token(name: &'static str, token: &Secret) -> Result<()> {
    if token.reveal().is_empty() || !token.reveal().bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::config(format!("read {name}"), "it must be printable ASCII, without spaces"));
    }
    Ok(())
}
