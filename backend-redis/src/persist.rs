//! Asking the server whether it has written to its disk what it has answered for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::RedisBackend;
use crate::error::{describe, meaning_of, unanswered};

/// How long the server may take to write to its disk, which with `appendfsync everysec` it does once a second.
const WRITTEN_MAX: Duration = Duration::from_secs(5);
const OPERATION: &str = "wait for the server's disk";

/// The connection that asks. It is open all the time: one that is new cannot say anything of what was answered before it,
/// since the server may have been started again in between, without it.
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

    /// In how many files of the server itself is what it has answered for.
    async fn written(&self, connection: &mut MultiplexedConnection) -> std::result::Result<i64, RedisError> {
        // It waits for the last write of its own connection, and with it for all that came before.
        let note = redis::cmd("HSET").arg(self.keys.meta()).arg("persisted").arg(1).to_owned();
        note.query_async::<Value>(connection).await?;
        let millis = u64::try_from(WRITTEN_MAX.as_millis()).unwrap_or(u64::MAX);
        let wait = redis::cmd("WAITAOF").arg(1).arg(0).arg(millis).to_owned();
        let (local, _copies): (i64, i64) = wait.query_async(connection).await?;
        Ok(local)
    }
}
