//! Shared by every route.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use docket::{Add, Client, Docket};
use docket_tasks::{Services, Track};
use tokio_util::sync::CancellationToken;

use super::data::{Change, Data};
use super::refusal::Refusal;

/// Shared by every route. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) docket: Docket,
    pub(crate) data: Data,
    pub(crate) services: Arc<Services>,
    /// The service goes down.
    pub(crate) down: CancellationToken,
}

impl App {
    /// Makes a change of the rows, and adds the tasks that follow from it; gives the id of the row. Together, where the
    /// docket takes part in a transaction.
    pub(crate) async fn change(
        &self,
        change: Change,
        tasks: impl FnOnce(&Client, i64) -> Vec<Add> + Send,
    ) -> Result<i64, Refusal> {
        self.data.change(&self.docket, change, tasks).await
    }

    /// A track, or that there is none.
    pub(crate) async fn track(&self, id: i64) -> Result<Track, Refusal> {
        self.data.catalogue().track(id).await?.ok_or_else(|| Refusal::not_found("track"))
    }

    /// A track that its artist asks about.
    pub(crate) async fn own_track(&self, id: i64, did: &str) -> Result<Track, Refusal> {
        let track = self.track(id).await?;
        if track.artist_did == did { Ok(track) } else { Err(Refusal::forbidden("it is somebody else's track")) }
    }

    /// A track that can be liked and commented on.
    pub(crate) async fn published_track(&self, id: i64) -> Result<Track, Refusal> {
        let track = self.track(id).await?;
        if track.record_uri.is_none() {
            return Err(Refusal::unprocessable("the track has no record yet"));
        }
        Ok(track)
    }
}

/// The caller, as in the header `x-did`. It stands for authentication.
pub(crate) struct Did(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Did {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let did = parts.headers.get("x-did").and_then(|did| did.to_str().ok()).filter(|did| did.starts_with("did:"));
        let nobody = || Refusal(StatusCode::UNAUTHORIZED, "log in first".to_owned());
        did.map(|did| Self(did.to_owned())).ok_or_else(nobody)
    }
}
