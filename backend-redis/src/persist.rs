//! Asking the server whether its answers so far are on its disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::RedisBackend;
use crate::error::{describe, meaning_of, unanswered};

/// How long the server may take to write to its disk; with `appendfsync everysec` it does so once a
/// second.
const WRITTEN_MAX: Duration = Duration::from_secs(5);
const OPERATION: &str = "wait for the server's disk";

/// The connection that asks. It stays open: a new connection cannot vouch for earlier answers,
/// since the server may have restarted without them.
#[derive(Default)]
pub(crate) struct Witness {
    open: Mutex<Option<MultiplexedConnection>>,
    /// The server cannot tell: it is older than Redis 7.2, or it has no append-only file.
    cannot_tell: AtomicBool,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("cannot_tell", &self.cannot_tell).finish_non_exhaustive()
    }
}

impl RedisBackend {
    pub(crate) async fn wait_for_disk(&self) -> Result<()> {
        if self.witness.cannot_tell.load(Ordering::Relaxed) {
            return Ok(());
        }
        let server = &self.commands.server;
        let mut open = self.witness.open.lock().await;
        let Some(mut connection) = open.take() else {
            *open = Some(server.open().await?);
            let why = "the server was not watched before; send again, then ask again";
            return Err(Error::new(ErrorKind::Unavailable, OPERATION, format!("{}: {why}", server.address)));
        };
        match timeout(WRITTEN_MAX + server.options.response, self.written(&mut connection)).await {
            Err(_) => Err(unanswered(OPERATION, &server.address)),
            Ok(Ok(files)) => {
                *open = Some(connection);
                if files > 0 { Ok(()) } else { Err(unanswered(OPERATION, &server.address)) }
            }
            Ok(Err(error)) if meaning_of(&error).drop_connection => Err(describe(error, OPERATION, &server.address)),
            Ok(Err(error)) => {
                tracing::debug!(error = ?error, "the server cannot say what is on its disk");
                self.witness.cannot_tell.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// In how many files of the server itself its answers are on disk.
    async fn written(&self, connection: &mut MultiplexedConnection) -> std::result::Result<i64, RedisError> {
        // It waits for the last write of its own connection, and thereby for all earlier ones.
        let note = redis::cmd("HSET").arg(self.keys.meta()).arg("persisted").arg(1).to_owned();
        note.query_async::<Value>(connection).await?;
        let millis = u64::try_from(WRITTEN_MAX.as_millis()).unwrap_or(u64::MAX);
        let wait = redis::cmd("WAITAOF").arg(1).arg(0).arg(millis).to_owned();
        let (local, _copies): (i64, i64) = wait.query_async(connection).await?;
        Ok(local)
    }
}
