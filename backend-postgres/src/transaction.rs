//! Adding tasks inside a transaction of the service: they commit, or roll back, with the service's
//! data. On a docket in another store the same call writes into an [`Outbox`].

use std::any::Any;

use async_trait::async_trait;
use docket_core::{
    Add, AddAnswer, Answer, Control as _, Error, ErrorKind, NewTask, Receipt, Result, ScheduleAnswer, Store, Verb,
    words,
};
use sqlx::PgConnection;
use sqlx::postgres::{PgArguments, PgRow};

use crate::error::describe;
use crate::items::{self, Batch, WriteTasks};
use crate::request::Columns;
use crate::statements::Statement;
use crate::{Outbox, PostgresBackend};

/// Tells the functions, until the end of the transaction, that it belongs to the service and may
/// stay open.
const MARK: &str = "SELECT set_config('docket_queue.in_transaction', 'on', true)";

/// Sends a task in the service's transaction instead of one of its own.
///
/// ```no_run
/// # async fn f<T: docket_core::Task>(client: docket_core::Client, pool: sqlx::PgPool, scan: T)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use docket_postgres::InTransaction;
///
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
/// * Workers see the task at the commit, which wakes waiting workers; after a rollback there is no
///   task.
/// * A transaction blocks no worker, however long it takes: only the run of a key that it touched,
///   and calls about that key.
///
/// # Caveats
///
/// * `tx` must be on the database and the role that the docket's schema is for.
/// * Delays count from this call, not from the commit.
/// * If an unfinished task has the key, its record is locked until the transaction ends. It cannot
///   be leased in that time; a worker that runs it can neither renew nor settle it, and retries
///   until it can. Nobody else gets the task while it is locked, but a transaction that outlasts
///   the lease costs that run: the worker gives it up, and the task runs again.
/// * Another call about a key of this transaction waits half a second for it, and then gets
///   `Unavailable`, for that key alone. An add of a key that this transaction has created waits for
///   its end, with its whole batch, up to [`crate::Options::response`].
/// * After a failed statement the transaction must be rolled back, as after any other.
#[async_trait]
pub trait InTransaction {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the client is neither on Postgres nor on an [`Outbox`]; otherwise as the
    /// add itself, but nothing is repeated.
    ///
    /// # Cancel safety
    ///
    /// If dropped, the transaction is in an unknown state: roll it back.
    async fn in_transaction(self, tx: &mut PgConnection) -> Result<Receipt>;
}

#[async_trait]
impl InTransaction for Add {
    async fn in_transaction(self, tx: &mut PgConnection) -> Result<Receipt> {
        let store = self.client().store().clone();
        let store: &dyn Store = store.as_ref();
        let (verb, task) = self.into_task()?;
        let tasks = std::slice::from_ref(&task);
        let answer = if let Some(outbox) = (store as &dyn Any).downcast_ref::<Outbox>() {
            only(outbox.put_in(tx, verb, tasks).await?)?;
            Answer::InOutbox
        } else {
            let backend = PostgresBackend::behind(store, "add in the caller's transaction")?;
            match verb {
                Verb::Add => only(backend.add_in(tx, tasks).await?)?.into(),
                Verb::Schedule => only(backend.schedule_in(tx, tasks).await?)?.into(),
            }
        };
        Ok(Receipt { key: task.key, answer })
    }
}

fn only<A>(mut answers: Vec<Result<A>>) -> Result<A> {
    answers.pop().expect("there is one answer per task")
}

impl PostgresBackend {
    /// The backend behind a store, if it is a Postgres one.
    pub(crate) fn behind<'a>(store: &'a dyn Store, operation: &'static str) -> Result<&'a Self> {
        let scheme = store.capabilities().scheme;
        (store as &dyn Any).downcast_ref().ok_or_else(|| {
            let why = format!("the docket is on {scheme}, which cannot take part in a Postgres transaction");
            Error::new(ErrorKind::Unsupported, operation, why)
        })
    }

    /// Adds tasks as [`docket_core::QueueBackend::add`] does, in the service's transaction: see
    /// [`InTransaction`].
    pub async fn add_in(&self, tx: &mut PgConnection, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.place_in(
            tx,
            (&self.statements().add, items::write_adds),
            "add tasks in a transaction",
            tasks,
            words::add_answer,
        )
        .await
    }

    /// Places or moves tasks as [`docket_core::QueueBackend::schedule`] does, in the service's
    /// transaction.
    pub async fn schedule_in(&self, tx: &mut PgConnection, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        let operation = "schedule tasks in a transaction";
        self.place_in(tx, (&self.statements().schedule, items::write_tasks), operation, tasks, words::schedule_answer)
            .await
    }

    async fn place_in<A>(
        &self,
        tx: &mut PgConnection,
        (statement, write): (&Statement, WriteTasks),
        operation: &'static str,
        tasks: &[NewTask],
        read: fn(&str) -> Option<A>,
    ) -> Result<Vec<Result<A>>> {
        let batch = Batch::check(operation, tasks, self.commands.server.options.max_payload_bytes, items::weigh_task)?;
        let accepted = batch.accepted();
        if accepted.is_empty() {
            return batch.answers(operation, Vec::new(), read);
        }
        let mut arguments = self.arguments()?;
        write(&mut arguments, &accepted)?;
        let row = self.row_in(tx, statement, arguments, operation).await?;
        batch.answers(operation, Columns::of(&row, operation).only()?, read)
    }

    /// Runs a statement that returns one row, in the service's transaction.
    pub(crate) async fn row_in(
        &self,
        tx: &mut PgConnection,
        statement: &Statement,
        arguments: PgArguments,
        operation: &'static str,
    ) -> Result<PgRow> {
        // On a connection of ours: if the service's transaction created the schema or the docket,
        // everybody else would wait for it.
        self.entered.get_or_try_init(|| self.join(None)).await?;
        let server = &self.commands.server;
        let told = |error| describe(error, operation, &server.address);
        sqlx::raw_sql(MARK).execute(&mut *tx).await.map_err(told)?;
        server.query(statement.sql(), arguments).fetch_one(tx).await.map_err(told)
    }
}
