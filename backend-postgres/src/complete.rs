//! Completing a run inside a transaction of the handler's own: its effects and its completion commit together.

use async_trait::async_trait;
use docket_core::{Ack, Context, Error, ErrorKind, Result, words};
use serde::Serialize;
use sqlx::PgConnection;

use crate::PostgresBackend;
use crate::items;
use crate::request::Columns;

const OPERATION: &str = "complete a task in the handler's transaction";

/// Completes a run in the handler's transaction instead of after it.
///
/// ```no_run
/// # use docket_core::{Context, Failure};
/// use docket_postgres::CompleteInTransaction;
///
/// # async fn run(ctx: Context, pool: sqlx::PgPool) -> Result<(), Failure> {
/// let mut tx = pool.begin().await?;
/// sqlx::query("UPDATE accounts SET credit = credit + 1 WHERE id = 42").execute(&mut *tx).await?;
/// ctx.complete_in(&mut tx, &()).await?;
/// tx.commit().await?;
/// Ok(())
/// # }
/// ```
///
/// # Guarantees
///
/// * The task is completed exactly when the transaction commits, even if the worker is killed right
///   after the commit: the effects are there once, whatever happened to earlier runs. After a
///   rollback the run counts as whatever the handler returns.
/// * A run that has lost its lease is refused, so that it rolls back: only the task's next run
///   commits.
///
/// # Caveats
///
/// * `tx` must be on the database and the role that the docket's schema is for.
/// * The result kept is the one given here, not the one that the handler returns after it.
/// * The task's record is locked from here to the commit, so its lease cannot be renewed in
///   between: let this be the last statement before the commit, and return after it.
/// * A commit whose answer is lost may have arrived. The same call in a new transaction is then
///   refused with `Conflict`, and nothing is left to do.
#[async_trait]
pub trait CompleteInTransaction {
    /// Completes the run; a periodic task goes on to its next occurrence.
    ///
    /// # Errors
    ///
    /// `LeaseLost` if the lease is no longer this run's, `Conflict` if this run was completed
    /// before, `Unsupported` if the docket is not on Postgres. Each must end in a rollback; an
    /// error returned with `?` does that.
    ///
    /// # Cancel safety
    ///
    /// If dropped, the transaction is in an unknown state: roll it back.
    async fn complete_in<T: Serialize + Sync>(&self, tx: &mut PgConnection, result: &T) -> Result<()>;
}

#[async_trait]
impl CompleteInTransaction for Context {
    async fn complete_in<T: Serialize + Sync>(&self, tx: &mut PgConnection, result: &T) -> Result<()> {
        PostgresBackend::behind(self.store().as_ref(), OPERATION)?.complete_in(tx, &self.completion(result)?).await
    }
}

impl PostgresBackend {
    async fn complete_in(&self, tx: &mut PgConnection, ack: &Ack) -> Result<()> {
        let weight = items::weigh_ack(ack)?;
        let bytes_max = self.commands.server.options.max_payload_bytes;
        if weight > bytes_max {
            let message = format!("a result of {weight} bytes, and max_payload_bytes is {bytes_max}");
            return Err(Error::new(ErrorKind::TooLarge, OPERATION, message));
        }
        let mut arguments = self.arguments()?;
        items::write_ack(&mut arguments, ack)?;
        let row = self.row_in(tx, &self.statements().complete, arguments, OPERATION).await?;
        let refuse = |kind, message| Err(Error::new(kind, OPERATION, message));
        match Columns::of(&row, OPERATION).only::<&str>()? {
            "settled" => Ok(()),
            "before" => {
                refuse(ErrorKind::Conflict, "it was settled before; roll back, its effects are committed already")
            }
            "stale" => refuse(ErrorKind::LeaseLost, "the lease is no longer this run's; roll back, another run has it"),
            word => words::meaning(word, OPERATION, |_| None),
        }
    }
}
