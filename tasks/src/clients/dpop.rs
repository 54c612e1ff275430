//! Proofs of possession (RFC 9449): a stolen token is of no use without the key it is bound to.

mod key;
mod nonces;

use aws_lc_rs::rand;
use docket_core::{Error, ErrorKind, Result};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::secret::Secret;

pub use key::SigningKey;
pub(crate) use key::{base64url, sha256};
pub(crate) use nonces::Nonces;

/// How long a proof is good for, in seconds.
const PROOF_SECONDS: i64 = 60;

/// The content of one proof.
#[derive(Debug)]
pub(crate) struct Proof<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// The server's latest, if one is known.
    pub(crate) nonce: Option<&'a str>,
    /// The token it goes with; none for a request to the token endpoint.
    pub(crate) access_token: Option<&'a Secret>,
}

impl Proof<'_> {
    /// The proof as a signed token, new each time: a server accepts each once.
    pub(crate) fn sign(&self, key: &SigningKey) -> Result<String> {
        self.sign_at(key, jiff::Timestamp::now().as_second(), &unique()?)
    }

    fn sign_at(&self, key: &SigningKey, now: i64, id: &str) -> Result<String> {
        let mut target = self.url.clone();
        target.set_query(None);
        target.set_fragment(None);
        let mut claims = json!({
            "jti": id,
            "htm": self.method.as_str(),
            "htu": target.as_str(),
            "iat": now,
            "exp": now + PROOF_SECONDS,
        });
        if let Some(token) = self.access_token {
            claims["ath"] = Value::String(base64url(sha256(token.reveal().as_bytes())));
        }
        if let Some(nonce) = self.nonce {
            claims["nonce"] = Value::String(nonce.to_owned());
        }
        key.sign(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk() }), &claims)
    }
}

/// 128 random bits.
pub(crate) fn unique() -> Result<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Internal, "draw a random id", "the system provides none"))?;
    Ok(base64url(bytes))
}

#[cfg(test)]
mod tests;
