//! Sessions that live in this process: for the demo and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use docket_core::Result;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Credentials, LockAnswer, Session, SessionId, Sessions, StoreAnswer, TokenVersion};

/// [`Sessions`] in memory. Lost with the process; they never run out.
#[derive(Debug, Default)]
pub struct MemorySessions(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By age.
    rows: BTreeMap<u64, Row>,
    created: u64,
}

#[derive(Debug)]
struct Row {
    session: Session,
    lock: Option<(Uuid, Instant)>,
}

impl MemorySessions {
    /// A login: the newest session of its DID.
    pub fn log_in(&self, session: Session) {
        let mut table = self.table();
        table.created += 1;
        let number = table.created;
        table.rows.insert(number, Row { session, lock: None });
    }

    /// A logout.
    pub fn log_out(&self, did: &str) {
        self.table().rows.retain(|_, row| row.session.did != did);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change below is one assignment, so a panic elsewhere leaves the table whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn row(&mut self, id: &SessionId) -> Option<&mut Row> {
        self.rows.values_mut().find(|row| row.session.id.reveal() == id.reveal())
    }
}

#[async_trait]
impl Sessions for MemorySessions {
    async fn sessions_of(&self, did: &str) -> Result<Vec<Session>> {
        let table = self.table();
        let sessions = table.rows.values().rev().map(|row| &row.session);
        Ok(sessions.filter(|session| session.did == did).cloned().collect())
    }

    async fn lock(&self, id: &SessionId, version: TokenVersion, holder: Uuid, length: Duration) -> Result<LockAnswer> {
        let mut table = self.table();
        let Some(row) = table.row(id) else { return Ok(LockAnswer::Gone) };
        if row.session.version != version {
            return Ok(LockAnswer::Refreshed(row.session.clone()));
        }
        let now = Instant::now();
        match row.lock {
            Some((other, end)) if other != holder && end > now => Ok(LockAnswer::Held(end - now)),
            _ => {
                row.lock = Some((holder, now + length));
                Ok(LockAnswer::Taken)
            }
        }
    }

    async fn store_tokens(
        &self,
        id: &SessionId,
        version: TokenVersion,
        credentials: &Credentials,
    ) -> Result<StoreAnswer> {
        let mut table = self.table();
        let Some(row) = table.row(id) else { return Ok(StoreAnswer::Gone) };
        if row.session.version != version {
            return Ok(StoreAnswer::Refreshed(row.session.clone()));
        }
        let version = TokenVersion(version.0 + 1);
        let session = Session { version, credentials: credentials.clone(), ..row.session.clone() };
        *row = Row { session: session.clone(), lock: None };
        Ok(StoreAnswer::Stored(session))
    }

    async fn unlock(&self, id: &SessionId, holder: Uuid) -> Result<()> {
        if let Some(row) = self.table().row(id) {
            row.lock = row.lock.filter(|(other, _)| *other != holder);
        }
        Ok(())
    }

    async fn end(&self, id: &SessionId, version: TokenVersion) -> Result<()> {
        self.table().rows.retain(|_, row| row.session.id != *id || row.session.version != version);
        Ok(())
    }
}
