//! New tokens from an authorization server.

use std::fmt;

use docket_core::{Error, ErrorKind, Result};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::atproto::{Body, Call, Caller, PdsError, Refusal, Xrpc};
use super::dpop::{SigningKey, unique};
use super::http::Answer;
use crate::{Credentials, OAuthTokens, Secret};

const REFRESH: &str = "refresh a session";
const DISCOVER: &str = "read what an authorization server offers";
/// How long an assertion is good for, in seconds.
const ASSERTION_SECONDS: i64 = 60;

/// How we are known to authorization servers.
#[derive(Clone)]
pub struct OAuthClient {
    client_id: String,
    key: Option<(String, SigningKey)>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    token_type: String,
    scope: String,
    sub: String,
}

impl OAuthClient {
    /// A client without a key of its own.
    pub fn public(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), key: None }
    }

    /// A client that authenticates with a private JWK, which has a `kid` (plyr.fm: `OAUTH_JWK`).
    pub fn confidential(client_id: impl Into<String>, jwk: &Secret) -> Result<Self> {
        let key = SigningKey::from_jwk(jwk)?;
        let kid = serde_json::from_str::<serde_json::Value>(jwk.reveal()).ok();
        let kid = kid.as_ref().and_then(|jwk| jwk["kid"].as_str());
        let kid = kid.ok_or_else(|| Error::invalid("read OAUTH_JWK", "it has no kid"))?;
        Ok(Self { client_id: client_id.into(), key: Some((kid.to_owned(), key)) })
    }

    /// Uses the refresh token up.
    ///
    /// # Errors
    ///
    /// `Expired`: the server does not accept it any more.
    pub(crate) async fn refresh(&self, xrpc: &Xrpc, old: &OAuthTokens, did: &str) -> Result<Credentials, PdsError> {
        let url = token_endpoint(xrpc, &old.issuer).await?;
        let body = Body::Form(self.form(old)?);
        let key = SigningKey::from_pem(&old.key_pem)?;
        let call = Call { operation: REFRESH, method: Method::POST, url, body };
        let answer = xrpc.send(&call, Caller::Key(&key, None)).await?;
        if !answer.status.is_success() {
            return Err(refused(&answer));
        }
        let tokens: Tokens = docket_core::json::decode(&answer.body).map_err(|e| PdsError::unreadable(REFRESH, e))?;
        tokens.check(did)?;
        let Tokens { access_token, refresh_token, scope, .. } = tokens;
        let (access, refresh) = (Secret::new(access_token), Secret::new(refresh_token));
        Ok(Credentials::OAuth(OAuthTokens { scope, access, refresh, ..old.clone() }))
    }

    fn form(&self, old: &OAuthTokens) -> Result<Secret> {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("grant_type", "refresh_token").append_pair("refresh_token", old.refresh.reveal());
        pairs.append_pair("client_id", &self.client_id);
        if let Some(assertion) = self.assertion(&old.issuer)? {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            pairs.append_pair("client_assertion_type", kind).append_pair("client_assertion", &assertion);
        }
        Ok(Secret::new(pairs.finish()))
    }

    /// Our proof of identity for `issuer` (RFC 7523).
    fn assertion(&self, issuer: &str) -> Result<Option<String>> {
        let Some((kid, key)) = &self.key else { return Ok(None) };
        let now = jiff::Timestamp::now().as_second();
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": kid });
        let claims = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": issuer,
            "jti": unique()?, "iat": now, "exp": now + ASSERTION_SECONDS,
        });
        key.sign(&header, &claims).map(Some)
    }
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_confidential = self.key.is_some();
        f.debug_struct("OAuthClient")
            .field("client_id", &self.client_id)
            .field("is_confidential", &is_confidential)
            .finish()
    }
}

impl Tokens {
    /// The tokens are for the same user, and bound to our key.
    fn check(&self, did: &str) -> Result<()> {
        let wrong = |why: &str| Err(Error::new(ErrorKind::Refused, REFRESH, why.to_owned()));
        if self.sub != did {
            return wrong("the tokens belong to somebody else");
        }
        if !self.token_type.eq_ignore_ascii_case("DPoP") {
            return wrong("the tokens are not bound to a key");
        }
        Ok(())
    }
}

async fn token_endpoint(xrpc: &Xrpc, issuer: &str) -> Result<Url, PdsError> {
    let address = |text: &str| Url::parse(text).map_err(|e| Error::invalid(DISCOVER, e.to_string()));
    let url = address(issuer)?.join("/.well-known/oauth-authorization-server");
    let url = url.map_err(|e| Error::invalid(DISCOVER, e.to_string()))?;
    let call = Call { operation: DISCOVER, method: Method::GET, url, body: Body::Nothing };
    let metadata: Metadata = xrpc.ask(&call, Caller::Anybody).await?;
    if metadata.issuer != issuer.trim_end_matches('/') {
        return Err(Error::new(ErrorKind::Refused, DISCOVER, "it claims to be another server").into());
    }
    Ok(address(&metadata.token_endpoint)?)
}

/// Sorts the refusals of a token endpoint (RFC 6749, section 5.2).
fn refused(answer: &Answer) -> PdsError {
    let refusal = Refusal::of(answer);
    let error = refusal.describe(ErrorKind::Refused, REFRESH, answer.status);
    match refusal.error.as_str() {
        "invalid_grant" => PdsError::Expired(error),
        // Our own name or key: no login helps, and no session is to blame.
        "invalid_client" | "unauthorized_client" => PdsError::Permanent(error),
        _ if answer.status == StatusCode::UNAUTHORIZED => PdsError::Permanent(error),
        _ => PdsError::refused(REFRESH, answer),
    }
}

#[cfg(test)]
mod tests;
