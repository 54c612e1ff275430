//! Likes, comments and plays: the records that the service wants on its users' PDSs.
//!
//! Beside each row there is a *record slot*, which outlives it: whose repository, which record key,
//! how often the wanted state has changed (`revision`), and up to which change the PDS has followed
//! (`written`). So an unlike still knows what to delete when the like is gone, a like given again
//! before that takes the same record back, and the changes that the PDS lacks can be listed.
//!
//! Whoever inserts, changes or deletes a row does the same to its slot **in the same transaction**:
//! a first insert creates the slot, with [`crate::Tid::new`] as its record key (or that of an
//! existing record), every other change raises its revision. Then it schedules the task, in that
//! transaction too if the docket can. In Postgres triggers keep the slots
//! (`migrations/0003_records.sql`), so the service changes its rows as before.

mod memory;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{Result, Timestamp};

use crate::{AtUri, StrongRef, Tid};

pub use memory::MemorySocial;

/// Likes, comments and plays, as the tasks read them.
///
/// The **implementor** makes each call one atomic step. The **caller** is a task: it holds nothing between calls, may be
/// killed after any of them, and then runs again from the start.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; repeating it is safe.
#[async_trait]
pub trait Social: fmt::Debug + Send + Sync {
    /// The slot of a record, and the row beside it. `None`: there is neither.
    async fn wanted(&self, record: &Record) -> Result<Option<Wanted>>;

    /// The PDS is as it was wanted at `revision`; `uri` addresses the record, there or not.
    ///
    /// * A row keeps the address of its record.
    /// * A slot without a row is forgotten, unless something changed since.
    async fn confirm(&self, record: &Record, revision: i64, uri: &AtUri) -> Result<Confirmed>;

    /// Records of a DID that its PDS does not have as they are wanted, oldest first, `limit` at most.
    async fn unconfirmed(&self, did: &str, limit: usize) -> Result<Vec<Record>>;

    /// The report of a play of this track by this DID. `None`: the track does not exist.
    async fn played(&self, did: &str, track_id: i64) -> Result<Option<Played>>;
}

/// A record of ours on a user's PDS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Record {
    /// The like of a track by a DID.
    Like {
        /// Whose.
        did: String,
        /// Of what.
        track_id: i64,
    },
    /// A comment.
    Comment {
        /// The loop.
        id: i64,
    },
}

/// The wanted state of a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Whose repository.
    pub did: String,
    /// The record key.
    pub rkey: Tid,
    /// Grows with every change of the wanted state.
    pub revision: i64,
    /// The row; `None`: there must be no record.
    pub row: Option<Row>,
}

/// The content of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// A like.
    Like(Like),
    /// A comment.
    Comment(Comment),
}

/// A row of likes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Like {
    /// The record of the track; a track need not have one.
    pub subject: Option<StrongRef>,
    /// When it was given.
    pub created_at: Timestamp,
}

/// A row of comments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comment {
    /// The record of the track; a track need not have one.
    pub subject: Option<StrongRef>,
    /// The text.
    pub text: String,
    /// Where in the track.
    pub timestamp_ms: i64,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

/// The answer to [`Social::confirm`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// The state is still the wanted one.
    Settled,
    /// It has changed since it was read.
    Changed,
}

/// A track as its play is reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Played {
    /// The listener wants plays reported.
    pub is_wanted: bool,
    /// The track's title.
    pub title: String,
    /// The artist's display name, else the handle.
    pub artist_name: String,
    /// The album's title.
    pub album_title: Option<String>,
    /// The track's length.
    pub length: Option<Duration>,
}
