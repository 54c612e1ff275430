//! Connections: opened late, bounded in everything, closed when they cannot be trusted.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Next, describe, meaning_of, unanswered};
use crate::link::Link;
use crate::migrate;
use crate::server::Server;
use crate::statements::Statement;

/// How often a statement is sent again after a conflict with another transaction rolled it back.
const REPEATS_MAX: u32 = 5;
/// The pause before the first repetition; it doubles.
const REPEAT_PAUSE: Duration = Duration::from_millis(2);

/// The connections of one handle.
pub(crate) struct Connection {
    pub(crate) server: Arc<Server>,
    /// With the time of the latest answer on each.
    idle: Mutex<Vec<(PgConnection, Instant)>>,
    permits: Semaphore,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        let permits = Semaphore::new(server.options.max_connections);
        Self { server, idle: Mutex::default(), permits }
    }

    /// Runs one of our statements, all of which are safe to repeat, and returns its rows.
    ///
    /// A connection that had died unnoticed, or a transaction that was aborted in favour of another
    /// one, costs one repetition that the caller does not notice.
    pub(crate) async fn rows(
        &self,
        statement: &Statement,
        arguments: PgArguments,
        operation: &'static str,
    ) -> Result<Vec<PgRow>> {
        let tries = async {
            self.make_ready().await?;
            self.tries(statement, arguments, operation).await
        };
        self.in_time(tries, operation).await
    }

    /// Sees to the schema, on the first call for this server.
    pub(crate) async fn make_ready(&self) -> Result<()> {
        self.server.ready.get_or_try_init(|| Box::pin(migrate::make_ready(&self.server))).await.copied()
    }

    /// Runs a statement that returns one row and does not use our tables: the schema may be
    /// missing.
    pub(crate) async fn look(
        &self,
        statement: &Statement,
        arguments: PgArguments,
        operation: &'static str,
    ) -> Result<PgRow> {
        let rows = self.in_time(self.tries(statement, arguments, operation), operation).await?;
        one_of(rows, operation)
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T>>, operation: &'static str) -> Result<T> {
        let deadline = self.server.options.connect + self.server.options.response;
        timeout(deadline, call).await.unwrap_or_else(|_| Err(unanswered(operation, &self.server.address)))
    }

    /// Runs a statement that returns one row.
    pub(crate) async fn row(
        &self,
        statement: &Statement,
        arguments: PgArguments,
        operation: &'static str,
    ) -> Result<PgRow> {
        one_of(self.rows(statement, arguments, operation).await?, operation)
    }

    async fn tries(
        &self,
        statement: &Statement,
        arguments: PgArguments,
        operation: &'static str,
    ) -> Result<Vec<PgRow>> {
        let (mut pause, mut repeats, mut reconnected) = (REPEAT_PAUSE, 0, false);
        loop {
            let error = match self.try_once(statement.sql(), arguments.clone()).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            match meaning_of(&error.error).next {
                Next::Repeat if repeats < REPEATS_MAX => {
                    sleep(pause).await;
                    (pause, repeats) = (pause * 2, repeats + 1);
                }
                Next::Reconnect if error.reused && !reconnected => reconnected = true,
                _ => return Err(describe(error.error, operation, &self.server.address)),
            }
        }
    }

    async fn try_once(&self, sql: AssertSqlSafe<Arc<str>>, arguments: PgArguments) -> Result<Vec<PgRow>, Failure> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let (link, reused) = self.link().await.map_err(|error| Failure { error, reused: false })?;
        let mut held = Held { connection: self, link: Some(link) };
        let link = held.link.as_mut().expect("it is taken out only when this is over");
        let asked = Instant::now();
        let answer = timeout(self.server.options.response, link.run(&self.server, sql, arguments));
        let (error, reused) = match answer.await {
            Ok(Ok(rows)) => {
                held.give_back();
                return Ok(rows);
            }
            Ok(Err(error)) => (error, reused),
            Err(_) => {
                self.server.doubt(asked);
                (std::io::Error::from(std::io::ErrorKind::TimedOut).into(), false)
            }
        };
        if meaning_of(&error).next == Next::Reconnect {
            // The idle connections have probably failed for the same reason.
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        } else {
            held.give_back();
        }
        Err(Failure { error, reused })
    }

    /// An idle connection, or a new one; and whether it was used before.
    async fn link(&self) -> Result<(Link, bool), sqlx::Error> {
        while let Some((connection, heard)) = self.pop() {
            if self.server.trusts(heard) {
                return Ok((Link::Own(connection), true));
            }
        }
        Ok((self.server.open_any().await?, false))
    }

    fn pop(&self) -> Option<(PgConnection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

fn one_of(mut rows: Vec<PgRow>, operation: &'static str) -> Result<PgRow> {
    rows.pop().ok_or_else(|| Error::new(ErrorKind::Internal, operation, "the function returned no row"))
}

/// How one attempt failed.
struct Failure {
    error: sqlx::Error,
    /// The connection was used before: a new one may work.
    reused: bool,
}

/// A connection in use. It is closed unless it is returned, also when the caller is dropped before
/// its answer came: the next user would get that answer.
struct Held<'a> {
    connection: &'a Connection,
    link: Option<Link>,
}

impl Held<'_> {
    fn give_back(mut self) {
        if let Some(Link::Own(own)) = self.link.take_if(|link| matches!(link, Link::Own(_))) {
            self.connection.idle.lock().unwrap_or_else(PoisonError::into_inner).push((own, Instant::now()));
        }
        // Dropping a pooled connection returns it.
        drop(self.link.take());
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(Link::Pooled(pooled)) = self.link.take() {
            drop(pooled.detach());
        }
    }
}
