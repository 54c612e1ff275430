//! A call as a user: the right session, fresh tokens.

use std::time::Duration;

use docket_core::{Error, ErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Atproto;
use super::error::PdsError;
use super::scope::may_write;
use super::xrpc::{Caller, Question};
use crate::clients::dpop::SigningKey;
use crate::{Credentials, LockAnswer, Secret, Session, StoreAnswer};

/// How long a refresh may hold the lock: longer than its calls can take, each bounded by its own deadline.
const LOCK: Duration = Duration::from_mins(2);
/// How long a run waits for a refresh by somebody else.
const WAIT: Duration = Duration::from_millis(100);
/// Looks at a lock of another process; after that the run is tried again later.
const LOOKS_MAX: usize = 150;
/// Sessions of one user that are tried: each that is turned away has ended.
const SESSIONS_MAX: usize = 5;
/// Tries to keep new tokens: the old ones are used up.
const STORES_MAX: usize = 5;

impl Atproto {
    /// Asks as `did`, with a session that may write to `collection`; once more with fresh tokens if those at hand are not
    /// accepted.
    pub(super) async fn as_user<T: DeserializeOwned>(
        &self,
        did: &str,
        collection: &str,
        question: &Question<'_>,
    ) -> Result<T, PdsError> {
        for _ in 0..SESSIONS_MAX {
            let session = self.session(did, collection).await?;
            let expired = match self.ask_as(&session, question).await {
                Err(PdsError::Expired(expired)) => expired,
                ended => return ended,
            };
            tracing::debug!(did, error = %expired, "token not accepted, refreshing");
            let fresh = match self.refreshed(session).await {
                // That session has ended; there may be another.
                Err(PdsError::LoggedOut(_)) => continue,
                fresh => fresh?,
            };
            return match self.ask_as(&fresh, question).await {
                // Fresh, and still refused: a process without our lock was faster, or the server is
                // another one. The attempts are counted, so this does not loop.
                Err(PdsError::Expired(error)) => Err(PdsError::Retry(None, error)),
                ended => ended,
            };
        }
        Err(PdsError::LoggedOut(did.to_owned()))
    }

    async fn ask_as<T: DeserializeOwned>(&self, session: &Session, question: &Question<'_>) -> Result<T, PdsError> {
        let call = question.to(&session.pds_url)?;
        match &session.credentials {
            Credentials::AppPassword { access, .. } => self.xrpc.ask(&call, Caller::Bearer(access)).await,
            Credentials::OAuth(tokens) => {
                let key = SigningKey::from_pem(&tokens.key_pem)?;
                self.xrpc.ask(&call, Caller::Key(&key, Some(&tokens.access))).await
            }
        }
    }

    async fn session(&self, did: &str, collection: &str) -> Result<Session, PdsError> {
        let sessions = self.sessions.sessions_of(did).await?;
        let fitting = sessions.into_iter().find(|session| may_write(session, collection));
        fitting.ok_or_else(|| PdsError::LoggedOut(did.to_owned()))
    }

    /// The session with new tokens, refreshed by this process or another.
    async fn refreshed(&self, session: Session) -> Result<Session, PdsError> {
        let holder = Uuid::now_v7();
        for _ in 0..LOOKS_MAX {
            match self.sessions.lock(&session.id, session.version, holder, LOCK).await? {
                LockAnswer::Taken => return self.refresh_undisturbed(session, holder).await,
                LockAnswer::Refreshed(session) => return Ok(session),
                LockAnswer::Gone => return Err(PdsError::LoggedOut(session.did)),
                LockAnswer::Held(left) => tokio::time::sleep(left.min(WAIT)).await,
            }
        }
        let why = "another process has held the lock for too long";
        Err(PdsError::Retry(Some(LOCK), Error::new(ErrorKind::Unavailable, "refresh a session", why)))
    }

    /// Between the answer of the server and the write to the catalogue the only good refresh token is in memory: that
    /// must not end because the run that asked for it is cancelled.
    async fn refresh_undisturbed(&self, session: Session, holder: Uuid) -> Result<Session, PdsError> {
        let this = self.clone();
        let refresh = tokio::spawn(async move {
            let ended = this.refresh(&session).await;
            if ended.is_err()
                && let Err(error) = this.sessions.unlock(&session.id, holder).await
            {
                tracing::warn!(did = session.did, %error, "refresh lock not released; it expires by itself");
            }
            ended
        });
        // It panicked, or the runtime is shutting down: either way there will be another attempt.
        let broken = Error::new(ErrorKind::Internal, "refresh a session", "it was interrupted");
        refresh.await.unwrap_or(Err(PdsError::Retry(None, broken)))
    }

    async fn refresh(&self, session: &Session) -> Result<Session, PdsError> {
        let fresh = match &session.credentials {
            Credentials::OAuth(tokens) => self.oauth.refresh(&self.xrpc, tokens, &session.did).await,
            Credentials::AppPassword { refresh, .. } => self.refresh_app_password(session, refresh).await,
        };
        match fresh {
            Ok(credentials) => self.keep(session, &credentials).await,
            Err(PdsError::Expired(error)) => self.give_up(session, error).await,
            Err(error) => Err(error),
        }
    }

    async fn refresh_app_password(&self, session: &Session, refresh: &Secret) -> Result<Credentials, PdsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tokens {
            access_jwt: String,
            refresh_jwt: String,
        }
        let question = Question::post("refresh a session", "com.atproto.server.refreshSession", None);
        let call = question.to(&session.pds_url)?;
        let Tokens { access_jwt, refresh_jwt } = self.xrpc.ask(&call, Caller::Bearer(refresh)).await?;
        Ok(Credentials::AppPassword { access: Secret::new(access_jwt), refresh: Secret::new(refresh_jwt) })
    }

    /// Keeps the new tokens, with some patience: without them the user has to log in again.
    async fn keep(&self, session: &Session, credentials: &Credentials) -> Result<Session, PdsError> {
        let mut wait = WAIT;
        for _ in 1..STORES_MAX {
            match self.stored(session, credentials).await {
                Err(PdsError::Retry(_, error)) => {
                    tracing::warn!(did = session.did, %error, "new tokens not kept, trying again");
                    tokio::time::sleep(wait).await;
                    wait *= 4;
                }
                ended => return ended,
            }
        }
        self.stored(session, credentials).await
    }

    async fn stored(&self, session: &Session, credentials: &Credentials) -> Result<Session, PdsError> {
        match self.sessions.store_tokens(&session.id, session.version, credentials).await? {
            StoreAnswer::Stored(session) | StoreAnswer::Refreshed(session) => Ok(session),
            StoreAnswer::Gone => Err(PdsError::LoggedOut(session.did.clone())),
        }
    }

    /// The refresh token is not accepted: it is used up, revoked, or the account is gone.
    async fn give_up(&self, session: &Session, error: Error) -> Result<Session, PdsError> {
        // A process without our lock may have used it, and kept the new tokens.
        let sessions = self.sessions.sessions_of(&session.did).await?;
        if let Some(newer) = sessions.into_iter().find(|s| s.id == session.id && s.version != session.version) {
            return Ok(newer);
        }
        tracing::warn!(did = session.did, %error, "session ended: its refresh token is refused");
        self.sessions.end(&session.id, session.version).await?;
        Err(PdsError::LoggedOut(session.did.clone()))
    }
}
