//! Adds tasks in the service's transaction for a docket in another store: for a service with its
//! data in Postgres and its queue in Redis.

mod persisting;
mod relay;
mod rows;
mod send;
mod store;
mod table;
mod watch;

use std::sync::Arc;

use docket_core::worker::Companion;
use docket_core::{ErrorKind, NewTask, Result, Store, UrlSource, Verb};
use sqlx::PgConnection;

use crate::items::{self, Batch};
use crate::server::Server;
use crate::{Options, examine};

pub use watch::{OutboxCounts, RefusedRow};

use relay::Relay;
use table::Table;

/// A docket in any store, with an outbox in the service's Postgres: a store that adds in the
/// service's transaction.
///
/// [`crate::InTransaction`] on a client of this store writes a row into the table `outbox` of the
/// docket's schema, in the service's transaction. [`Outbox::relay`] brings
/// committed rows to the queue; every worker of the docket should have one. Every other call goes straight to the queue.
///
/// ```no_run
/// # async fn f(queue: std::sync::Arc<dyn docket_core::Store>, pool: sqlx::PgPool, scan: impl docket_core::Task)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use docket_core::Client;
/// use docket_postgres::{InTransaction, Options, Outbox};
///
/// let store = Outbox::connect(queue, "postgres://localhost/app", Options::default()).await?;
/// let client = Client::new(std::sync::Arc::new(store));
/// let mut tx = pool.begin().await?;
/// sqlx::query("INSERT INTO tracks (id) VALUES (42)").execute(&mut *tx).await?;
/// client.add(scan).key("scan:42").in_transaction(&mut tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Guarantees
///
/// * The commit publishes a row; after a rollback there is none. A row is deleted only after the
///   queue has answered for it; until then it is sent again, whichever process, server or
///   connection fails. It carries the add id of the call, so the queue accepts it once.
/// * Rows of one key reach the queue one by one, in the order of their commits. For that,
///   transactions with the same key wait for each other.
/// * A commit wakes the relays; if that wake-up is lost, they poll every check interval. One relay
///   of a docket works at a time. Another takes over at once when it ends, and after half a second
///   when it makes no progress.
/// * A row that the queue refuses for good is kept with the error and does not hold up others: see
///   [`Outbox::row_counts`].
/// * A relay that makes no progress, or cannot reach one of the two stores, raises an alarm, and
///   its worker is not ready.
///
/// # Assumptions
///
/// * `tx` is on the database of the outbox, and its role may use the schema.
/// * A worker with [`Outbox::relay`] runs somewhere.
///
/// # Caveats
///
/// * Whether the key already exists is known only when the row arrives; the call answers
///   [`docket_core::Answer::InOutbox`].
/// * A delay starts at the call, by the clock of this Postgres; after the relay the rest of it runs
///   by the queue's clock. An absolute time (`at`) is one of the queue's clock. Without either, a
///   task gets its position in the lane on arrival.
/// * If Postgres fails between the queue's answer and the deletion, the row is sent again, and the
///   queue recognises its add id for as long as it keeps the task's record (the policy's
///   `retention` after its end). Beyond that the task runs once more. A relay that survives the
///   failure does not send the row again.
/// * After its answer, the queue is responsible for the task. If it can tell when its answers are
///   on disk (Redis 7.2 or Valkey, with an append-only file), a row is deleted only then. An older
///   Redis with `appendfsync everysec` that loses its machine may lose its last second, with rows
///   deleted in that second; so may a server that fails over to a lagging copy.
/// * A transaction holds one advisory lock per key that it writes; a server has room for about
///   `max_locks_per_transaction × max_connections` in all (6,400 by default).
#[derive(Debug)]
pub struct Outbox {
    queue: Arc<dyn Store>,
    table: Arc<Table>,
}

impl Outbox {
    /// Puts an outbox at `url` before `queue`: reads the URL, connects, checks the server, and
    /// creates or migrates the schema. A server that cannot be reached is not an error, since a worker
    /// has other work: it is logged, the first call sees to the schema, and the relay raises an
    /// alarm until then.
    ///
    /// # Errors
    ///
    /// As [`crate::PostgresBackend::connect`], except `Unavailable`.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub async fn connect(queue: Arc<dyn Store>, url: &str, options: Options) -> Result<Self> {
        Self::connect_at(queue, url.into(), options).await
    }

    /// The same with a URL that may come from a file. The file is read again for each connection:
    /// see [`UrlSource`].
    ///
    /// # Errors
    ///
    /// As [`Outbox::connect`].
    ///
    /// # Cancel safety
    ///
    /// As [`Outbox::connect`].
    pub async fn connect_at(queue: Arc<dyn Store>, url: UrlSource, options: Options) -> Result<Self> {
        let outbox = Self::open_at(queue, url, options)?;
        let ready = async {
            examine::admit(&outbox.table.commands).await?;
            outbox.table.commands.make_ready().await
        };
        match ready.await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                tracing::error!(?error, "the outbox cannot be reached; its rows wait until it can");
            }
            ready => ready?,
        }
        Ok(outbox)
    }

    /// The loop that brings committed rows to the queue, for [`docket_core::worker::Builder::companion`].
    #[must_use]
    pub fn relay(&self) -> Arc<dyn Companion> {
        Arc::new(Relay { table: self.table.clone(), queue: self.queue.fork() })
    }

    /// Puts an outbox at `url` before `queue`, without connecting yet.
    ///
    /// # Errors
    ///
    /// `Config` for a URL or an option that cannot work.
    pub fn open(queue: Arc<dyn Store>, url: &str, options: Options) -> Result<Self> {
        Self::open_at(queue, url.into(), options)
    }

    /// The same with a URL that may come from a file. The file is read again for each connection:
    /// see [`UrlSource`].
    ///
    /// # Errors
    ///
    /// As [`Outbox::open`].
    pub fn open_at(queue: Arc<dyn Store>, url: UrlSource, options: Options) -> Result<Self> {
        let (server, _) = Server::at(url, options)?;
        let docket = queue.capabilities().docket;
        Ok(Self { queue, table: Arc::new(Table::new(Arc::new(server), docket)) })
    }

    /// Writes tasks into the outbox, in the service's transaction. A task that no queue accepts is
    /// refused alone.
    ///
    /// # Errors
    ///
    /// `TooLarge` for a batch beyond its limits. `Unavailable` if the service's connection is lost,
    /// or, before the first call, if the outbox cannot be reached. After a failed statement the
    /// transaction must be rolled back.
    ///
    /// # Cancel safety
    ///
    /// If dropped, the transaction is in an unknown state: roll it back.
    pub async fn put_in(&self, tx: &mut PgConnection, verb: Verb, tasks: &[NewTask]) -> Result<Vec<Result<()>>> {
        // On a connection of ours: if the service's transaction created the schema, everybody else
        // would wait for it.
        self.table.commands.make_ready().await?;
        let operation = "add tasks to the outbox";
        let max_payload_bytes = self.table.commands.server.options.max_payload_bytes;
        let batch = Batch::check(operation, tasks, max_payload_bytes, items::weigh_task)?;
        let accepted = batch.accepted();
        if !accepted.is_empty() {
            self.table.put(tx, verb, &accepted, operation).await?;
        }
        let words = accepted.iter().map(|_| String::new()).collect();
        batch.answers(operation, words, |_| Some(()))
    }
}
