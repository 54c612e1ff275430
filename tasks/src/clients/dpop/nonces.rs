//! The latest nonce of each server, so that a call needs one round trip and not two.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use reqwest::header::HeaderMap;

/// Servers remembered. Forgetting costs each one more round trip.
const ORIGINS_MAX: usize = 10_000;
/// Bytes of a nonce; a longer one is not kept.
const NONCE_BYTES_MAX: usize = 512;

/// Nonces by origin, shared by all sessions of a process: a server gives them to callers, not to keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nonces(Arc<Mutex<HashMap<String, String>>>);

impl Nonces {
    pub(crate) fn latest(&self, url: &Url) -> Option<String> {
        let nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.get(&url.origin().ascii_serialization()).cloned()
    }

    /// Stores the nonce of an answer of any status.
    pub(crate) fn learn(&self, url: &Url, headers: &HeaderMap) {
        let Some(nonce) = headers.get("dpop-nonce").and_then(|nonce| nonce.to_str().ok()) else { return };
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX {
            return;
        }
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= ORIGINS_MAX {
            nonces.clear();
        }
        nonces.insert(url.origin().ascii_serialization(), nonce.to_owned());
    }
}
