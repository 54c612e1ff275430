//! One call to one server: its proof, its nonce, its answer.

use docket_core::{Error, Result, json};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{PdsError, Refusal};
use crate::Secret;
use crate::clients::dpop::{Nonces, Proof, SigningKey};
use crate::clients::http::{Answer, Http};

/// The request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// In words, for errors.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Body<'a>,
}

#[derive(Debug)]
pub(crate) enum Body<'a> {
    Nothing,
    Json(&'a Value),
    /// Form-encoded pairs. May hold secrets: never shown.
    Form(Secret),
}

/// A method of XRPC, to be asked of whichever server.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    operation: &'static str,
    nsid: &'static str,
    query: &'a [(&'a str, &'a str)],
    method: Method,
    body: Option<&'a Value>,
}

impl<'a> Question<'a> {
    pub(crate) fn get(operation: &'static str, nsid: &'static str, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { operation, nsid, query, method: Method::GET, body: None }
    }

    pub(crate) fn post(operation: &'static str, nsid: &'static str, body: Option<&'a Value>) -> Self {
        Self { operation, nsid, query: &[], method: Method::POST, body }
    }

    /// The call of it, to the server at `base`.
    pub(crate) fn to(&self, base: &str) -> Result<Call<'a>> {
        let wrong = |why: String| Error::invalid("address a PDS", why);
        let mut url = Url::parse(base).map_err(|e| wrong(e.to_string()))?;
        if url.cannot_be_a_base() {
            return Err(wrong("not the address of a server".to_owned()));
        }
        url.set_path(&format!("/xrpc/{}", self.nsid));
        url.set_query(None);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query);
        }
        let body = self.body.map_or(Body::Nothing, Body::Json);
        Ok(Call { operation: self.operation, method: self.method.clone(), url, body })
    }
}

/// The caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'a> {
    Anybody,
    Bearer(&'a Secret),
    /// A key, and the token bound to it; without a token, at the token endpoint.
    Key(&'a SigningKey, Option<&'a Secret>),
}

/// Calls, with the nonces of all servers between them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Xrpc {
    pub(crate) http: Http,
    pub(crate) nonces: Nonces,
}

impl Xrpc {
    /// Asks, and reads the answer if it is a success.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: &Call<'_>, caller: Caller<'_>) -> Result<T, PdsError> {
        let answer = self.send(call, caller).await?;
        if !answer.status.is_success() {
            return Err(PdsError::refused(call.operation, &answer));
        }
        // Some methods answer with nothing at all.
        let body: &[u8] = if answer.body.is_empty() { b"{}" } else { &answer.body };
        json::decode(body).map_err(|e| PdsError::unreadable(call.operation, e))
    }

    /// Sends it; once more if the server wants another nonce in the proof.
    pub(crate) async fn send(&self, call: &Call<'_>, caller: Caller<'_>) -> Result<Answer> {
        let answer = self.send_once(call, caller).await?;
        if matches!(caller, Caller::Key(..)) && wants_nonce(&answer) {
            return self.send_once(call, caller).await;
        }
        Ok(answer)
    }

    async fn send_once(&self, call: &Call<'_>, caller: Caller<'_>) -> Result<Answer> {
        let mut request = self.http.request(call.method.clone(), &call.url)?;
        match caller {
            Caller::Anybody => {}
            Caller::Bearer(token) => request = request.bearer_auth(token.reveal()),
            Caller::Key(key, access_token) => {
                let nonce = self.nonces.latest(&call.url);
                let proof = Proof { method: &call.method, url: &call.url, nonce: nonce.as_deref(), access_token };
                request = request.header("dpop", proof.sign(key)?);
                if let Some(token) = access_token {
                    request = request.header("authorization", format!("DPoP {}", token.reveal()));
                }
            }
        }
        request = match &call.body {
            Body::Nothing => request,
            Body::Json(json) => request.json(json),
            Body::Form(pairs) => {
                let form = "application/x-www-form-urlencoded";
                request.header("content-type", form).body(pairs.reveal().to_owned())
            }
        };
        let answer = self.http.send(call.operation, request).await?;
        self.nonces.learn(&call.url, &answer.headers);
        Ok(answer)
    }
}

fn wants_nonce(answer: &Answer) -> bool {
    let header = || {
        let header = answer.headers.get("www-authenticate").and_then(|header| header.to_str().ok());
        header.is_some_and(|header| header.contains("use_dpop_nonce"))
    };
    matches!(answer.status.as_u16(), 400 | 401)
        && answer.headers.contains_key("dpop-nonce")
        && (Refusal::of(answer).error == "use_dpop_nonce" || header())
}
