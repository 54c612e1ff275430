//! HTTP to hosts that users name: PDSs, authorization servers, domains of handles.
//!
//! A user may name one of our own hosts. So only `https` requests to public addresses are sent, and
//! the address that is checked is the one connected to: [`resolve::PublicOnly`] resolves names and
//! drops the other addresses. Only [`Http::get`] follows redirects, a few, each checked like the
//! first; a call with a token follows none.

mod reach;
mod resolve;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use docket_core::{Error, ErrorKind, Result};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

pub use reach::Reach;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call may take, from connecting to the end of the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections kept open to one host: there are thousands of PDSs.
const IDLE_PER_HOST_MAX: usize = 2;
/// Redirects followed.
const REDIRECTS_MAX: usize = 3;
/// Bytes of an answer: a page of records.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// One client, with a pool of connections per host. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    reach: Reach,
}

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(user_agent: &str, reach: Reach) -> Result<Self> {
        let client = Client::builder()
            .user_agent(user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve the names itself.
            .no_proxy()
            .dns_resolver(Arc::new(resolve::PublicOnly(reach)))
            .build()
            .map_err(|e| Error::config("set up the HTTP client", e.to_string()))?;
        Ok(Self { client, reach })
    }

    /// A request to a host that may be reached, or why it may not.
    pub(crate) fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder> {
        self.reach.check(url)?;
        Ok(self.client.request(method, url.clone()))
    }

    /// Sends it and reads the answer to the end.
    pub(crate) async fn send(&self, operation: &'static str, request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await.map_err(|error| unanswered(operation, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: body(operation, response).await? })
    }

    /// Reads a public resource, without a token, through a few redirects.
    pub(crate) async fn get(&self, operation: &'static str, url: &Url) -> Result<Answer> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.send(operation, self.request(Method::GET, &url)?).await?;
            let Some(next) = answer.status.is_redirection().then(|| answer.headers.get(LOCATION)).flatten() else {
                return Ok(answer);
            };
            let next = next.to_str().ok().and_then(|next| url.join(next).ok());
            url =
                next.ok_or_else(|| Error::new(ErrorKind::Refused, operation, "it redirects to an invalid address"))?;
        }
        Err(Error::new(ErrorKind::Refused, operation, format!("more than {REDIRECTS_MAX} redirects")))
    }
}

fn unanswered(operation: &'static str, error: reqwest::Error) -> Error {
    if let Some(refused) = resolve::refusal(&error) {
        return Error::new(ErrorKind::Refused, operation, refused);
    }
    let what = if error.is_timeout() { "no answer in time" } else { "the connection failed" };
    Error::new(ErrorKind::Unavailable, operation, what).with_source(error.without_url())
}

async fn body(operation: &'static str, mut response: Response) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(operation, error))? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            let why = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::TooLarge, operation, why));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests;
