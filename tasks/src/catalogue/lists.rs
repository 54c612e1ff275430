//! Lists that users' PDSs hold: albums, and the tracks a user likes; and the profile beside them.

use async_trait::async_trait;
use docket_core::{Result, Timestamp};

use crate::{AtUri, StrongRef};

/// Albums, likes as a list, and profiles, as the tasks read them.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; repeating it is safe.
#[async_trait]
pub trait Lists: Send + Sync {
    /// An album; `None` if there is no such album.
    async fn album(&self, id: &str) -> Result<Option<TrackList>>;

    /// The albums of an artist, oldest first.
    async fn albums_of(&self, did: &str) -> Result<Vec<String>>;

    /// The tracks that a user likes, the newest like first.
    async fn liked_by(&self, did: &str) -> Result<TrackList>;

    /// Says where the record of a list is, and its hash.
    async fn record_list(&self, list: &ListId, record: &StrongRef) -> Result<()>;

    /// An artist's profile; `None` if the artist does not exist.
    async fn profile(&self, did: &str) -> Result<Option<Profile>>;

    /// Keeps the address of an artist's picture, or that there is none.
    async fn record_avatar(&self, did: &str, avatar_url: Option<&str>) -> Result<()>;
}

/// Which list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ListId {
    /// The album of this id.
    Album(String),
    /// The likes of this DID.
    Liked(String),
}

/// A list in the service.
#[derive(Clone, PartialEq, Debug)]
pub struct TrackList {
    /// The loop.
    pub id: ListId,
    /// Whose repository its record belongs into.
    pub did: String,
    /// Its title.
    pub name: String,
    /// When it was made; a list of likes always was.
    pub created_at: Option<Timestamp>,
    /// Its record, if it was written before.
    pub record: Option<AtUri>,
    /// The records of its tracks, in order; tracks without a record are left out.
    pub tracks: Vec<StrongRef>,
}

/// An artist's profile.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Profile {
    /// In their words.
    pub bio: Option<String>,
    /// The address of their picture.
    pub avatar_url: Option<String>,
}

impl TrackList {
    /// What `did` likes.
    pub fn liked(did: &str, record: Option<AtUri>, tracks: Vec<StrongRef>) -> Self {
        let id = ListId::Liked(did.to_owned());
        Self { id, did: did.to_owned(), name: "Liked Tracks".to_owned(), created_at: None, record, tracks }
    }
}
