//! Bluesky's public side: the pictures of artists.

use std::fmt;
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::call::{Call, CallError, address, below, client};

const TIMEOUT: Duration = Duration::from_secs(10);
const PROFILE: Call = Call { operation: "read a Bluesky profile", address: "BLUESKY_API_URL", token: "no token" };

/// A client of Bluesky's public API. Cheap to clone.
#[derive(Clone)]
pub struct Bluesky {
    http: Client,
    base: Url,
}

#[derive(Deserialize)]
struct Profile {
    did: String,
    avatar: Option<String>,
}

impl Bluesky {
    /// A client of the API at `url`, e.g. `https://public.api.bsky.app`.
    pub fn new(url: &str) -> Result<Self> {
        let base = address(PROFILE.address, url)?;
        Ok(Self { http: client("set up the Bluesky client", TIMEOUT)?, base })
    }

    /// The address of a user's picture; `None` if they have none. A PDS's own address of it becomes that of Bluesky's CDN.
    ///
    /// # Errors
    ///
    /// Retryable: no answer, a timeout, 429, 5xx, an answer without a profile. For good: no such user. None of them says
    /// that there is no picture.
    pub async fn avatar_of(&self, did: &str) -> Result<Option<String>, CallError> {
        let mut url = below(&self.base, "xrpc/app.bsky.actor.getProfile");
        url.query_pairs_mut().append_pair("actor", did);
        let profile: Profile = PROFILE.send(self.http.get(url)).await?;
        if profile.did != did {
            let why = format!("it is that of {}", profile.did);
            return Err(Error::new(ErrorKind::Unavailable, PROFILE.operation, why).into());
        }
        Ok(profile.avatar.filter(|avatar| !avatar.is_empty()).map(|avatar| on_cdn(did, avatar)))
    }
}

/// A PDS serves blobs without caches; the CDN has the same.
fn on_cdn(did: &str, avatar: String) -> String {
    let Ok(url) = Url::parse(&avatar) else { return avatar };
    let cid = url.query_pairs().find(|(name, _)| name == "cid").map(|(_, cid)| cid.into_owned());
    match cid {
        Some(cid) if url.path().ends_with("/com.atproto.sync.getBlob") => {
            format!("https://cdn.bsky.app/img/avatar/plain/{did}/{cid}@jpeg")
        }
        _ => avatar,
    }
}

impl fmt::Debug for Bluesky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bluesky").field("host", &self.base.host_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_blob_of_a_pds_is_looked_for_on_the_cdn() {
        let blob = "https://pds.example/xrpc/com.atproto.sync.getBlob?did=did:plc:ada&cid=bafk";
        assert_eq!(
            on_cdn("did:plc:ada", blob.to_owned()),
            "https://cdn.bsky.app/img/avatar/plain/did:plc:ada/bafk@jpeg"
        );
        for other in ["https://cdn.bsky.app/img/avatar/plain/x", "https://pds.example/avatar?cid=x", "no address"] {
            assert_eq!(on_cdn("did:plc:ada", other.to_owned()), other);
        }
    }
}
