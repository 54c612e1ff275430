//! The logins of users: credentials for writing to their PDS.

mod memory;
mod sealed;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::Result;
use uuid::Uuid;

use crate::Secret;

pub use memory::MemorySessions;
pub use sealed::{SessionCipher, SessionPayload};

/// Live sessions, and the lock under which their tokens are refreshed.
///
/// The **implementor** keeps the tokens encrypted and hands them out decrypted: nothing above this trait knows the key
/// (plyr.fm's: [`SessionCipher`]). The lock is shared by all workers; it lives with the session, in the same
/// store. The **caller** refreshes at most one session at a time and says [`Sessions::unlock`] when it could not.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; every one is a compare-and-set, so a repetition changes nothing.
#[async_trait]
pub trait Sessions: fmt::Debug + Send + Sync {
    /// The sessions of a DID whose refresh token has not run out, the newest first. None: it is logged out.
    async fn sessions_of(&self, did: &str) -> Result<Vec<Session>>;

    /// Takes the lock for `length`, by the implementor's clock, if the tokens are still at `version` and nobody holds it.
    /// The holder may take it again.
    async fn lock(&self, id: &SessionId, version: TokenVersion, holder: Uuid, length: Duration) -> Result<LockAnswer>;

    /// Keeps new tokens and gives the lock back, if they are still at `version`.
    async fn store_tokens(
        &self,
        id: &SessionId,
        version: TokenVersion,
        credentials: &Credentials,
    ) -> Result<StoreAnswer>;

    /// Gives the lock back, if this holder has it.
    async fn unlock(&self, id: &SessionId, holder: Uuid) -> Result<()>;

    /// Ends a session whose tokens are refused for good, if they are still at `version`.
    async fn end(&self, id: &SessionId, version: TokenVersion) -> Result<()>;
}

/// One login of one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The loop.
    pub id: SessionId,
    /// Whose.
    pub did: String,
    /// Where the repository is.
    pub pds_url: String,
    /// Grows with every change of the tokens.
    pub version: TokenVersion,
    /// Proof of the login.
    pub credentials: Credentials,
}

/// Names a session. Anybody who knows it is logged in as its user, so it shows as little as a
/// password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionId(Secret);

impl SessionId {
    /// The session called `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(Secret::new(id))
    }

    /// The name itself, for the store that keeps it.
    pub(crate) fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// Which tokens a session has: two that are equal are the same tokens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct TokenVersion(pub i64);

/// Proof of a login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credentials {
    /// By OAuth: tokens bound to a key.
    OAuth(OAuthTokens),
    /// By an app password: two bearer tokens.
    AppPassword {
        /// For calls.
        access: Secret,
        /// For new tokens.
        refresh: Secret,
    },
}

/// The tokens from the authorization server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OAuthTokens {
    /// The authorization server.
    pub issuer: String,
    /// The scope that the user allowed.
    pub scope: String,
    /// For calls.
    pub access: Secret,
    /// For new tokens; good once.
    pub refresh: Secret,
    /// The private key both are bound to, as PKCS#8 PEM.
    pub key_pem: Secret,
}

/// The answer to [`Sessions::lock`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LockAnswer {
    /// It is the caller's.
    Taken,
    /// Another process refreshes; the lock expires after this long.
    Held(Duration),
    /// The tokens have been refreshed meanwhile: this is the session now.
    Refreshed(Session),
    /// The session no longer exists.
    Gone,
}

/// The answer to [`Sessions::store_tokens`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreAnswer {
    /// They are kept: this is the session now.
    Stored(Session),
    /// Others came first: this is the session now.
    Refreshed(Session),
    /// The session no longer exists.
    Gone,
}
