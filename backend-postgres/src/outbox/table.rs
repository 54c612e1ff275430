//! The table of the outbox: its statements, each bounded, and its wake-ups.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{DocketName, NewTask, Result, Verb, limits};
use sqlx::postgres::PgArguments;
use sqlx::{Executor as _, PgConnection, PgTransaction};
use tokio::time::{sleep, timeout};

use super::rows::{Became, Row};
use crate::connection::Connection;
use crate::error::{describe, unanswered};
use crate::items;
use crate::request::{Columns, push, whole};
use crate::server::Server;
use crate::statements::Statement;
use crate::wait::Listener;

/// The rows of one docket.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) commands: Connection,
    pub(super) listener: Listener,
    docket: DocketName,
    put: Statement,
    look: Statement,
    take: Statement,
    hold_empty: Statement,
    settle: Statement,
    pub(super) counts: Statement,
    pub(super) retry: Statement,
    pub(super) clear: Statement,
}

/// What a look found.
#[derive(Debug)]
pub(super) struct Looked {
    /// How long the oldest row has waited, if one does.
    pub(super) oldest: Option<Duration>,
    /// The channel of its wake-ups.
    pub(super) channel: String,
}

impl Table {
    pub(super) fn new(server: Arc<Server>, docket: DocketName) -> Self {
        let statement = |text| Statement::new(text, &server.options.schema);
        Self {
            put: statement("SELECT docket.outbox_add({US},$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)"),
            look: statement("SELECT * FROM docket.outbox_look($1)"),
            take: statement("SELECT * FROM docket.outbox_take({US},$2,$3)"),
            hold_empty: statement("SELECT docket.outbox_hold_empty({US})"),
            settle: statement("SELECT docket.outbox_settle($1,$2,$3,$4)"),
            counts: statement("SELECT * FROM docket.outbox_counts($1)"),
            retry: statement("SELECT docket.outbox_retry({US})"),
            clear: statement("SELECT docket.outbox_clear({US},$2)"),
            listener: Listener::new(server.clone()),
            commands: Connection::new(server),
            docket,
        }
    }

    /// The arguments of a statement, the docket first.
    pub(super) fn arguments(&self) -> Result<PgArguments> {
        let mut arguments = PgArguments::default();
        push(&mut arguments, self.docket.as_str())?;
        Ok(arguments)
    }

    /// Writes rows on a connection of the service.
    pub(super) async fn put(
        &self,
        tx: &mut PgConnection,
        verb: Verb,
        tasks: &[&NewTask],
        operation: &'static str,
    ) -> Result<()> {
        let mut arguments = self.arguments()?;
        push(
            &mut arguments,
            match verb {
                Verb::Add => "add",
                Verb::Schedule => "schedule",
            },
        )?;
        items::write_tasks(&mut arguments, tasks)?;
        let server = &self.commands.server;
        let put = server.query(self.put.sql(), arguments).execute(tx).await;
        put.map(drop).map_err(|error| describe(error, operation, &server.address))
    }

    pub(super) async fn look(&self) -> Result<Looked> {
        let operation = "look into the outbox";
        let row = self.commands.row(&self.look, self.arguments()?, operation).await?;
        let columns = Columns::of(&row, operation);
        Ok(Looked { oldest: columns.optional_duration("oldest")?, channel: columns.read("channel")? })
    }

    /// Begins the transaction of a relay.
    pub(super) async fn begin<'c>(&self, connection: &'c mut PgConnection) -> Result<PgTransaction<'c>> {
        self.in_time(self.commands.server.begin(connection), "relay the outbox").await
    }

    /// Takes up to `count` rows for the length of the transaction; none if another transaction has
    /// them.
    pub(super) async fn take(&self, tx: &mut PgTransaction<'_>, count: usize) -> Result<Vec<Row>> {
        let mut arguments = self.arguments()?;
        push(&mut arguments, whole(count))?;
        push(&mut arguments, whole(limits::BATCH_BYTES_MAX))?;
        let query = self.commands.server.query(self.take.sql(), arguments);
        let rows = self.in_time(query.fetch_all(&mut **tx), "take rows of the outbox").await?;
        rows.iter().map(Row::read).collect()
    }

    /// Whether no row waits; then nobody else takes rows while the transaction lasts.
    pub(super) async fn hold_empty(&self, tx: &mut PgTransaction<'_>) -> Result<bool> {
        let operation = "hold the empty outbox";
        let query = self.commands.server.query(self.hold_empty.sql(), self.arguments()?);
        let row = self.in_time(query.fetch_one(&mut **tx), operation).await?;
        Columns::of(&row, operation).only()
    }

    /// Keeps the transaction alive until `call` ends: the server would end a transaction that is
    /// silent for so long.
    pub(super) async fn hold<T>(&self, tx: &mut PgTransaction<'_>, call: impl Future<Output = T>) -> T {
        let pause = self.commands.server.options.silence_max() / 4;
        let mut call = pin!(call);
        loop {
            tokio::select! {
                biased;
                done = &mut call => return done,
                // The next statement notices a lost transaction.
                () = sleep(pause) => drop(self.in_time(tx.execute("SELECT 1"), "hold rows of the outbox").await),
            }
        }
    }

    /// Records the fate of rows.
    pub(super) async fn settle(&self, mut tx: PgTransaction<'_>, rows: &[(i64, Became)]) -> Result<()> {
        let done = rows.iter().filter(|(_, became)| *became == Became::Done).map(|(id, _)| *id);
        let failed: Vec<(i64, String, bool)> = rows.iter().filter_map(|(id, became)| failure(*id, became)).collect();
        let mut arguments = PgArguments::default();
        push(&mut arguments, done.collect::<Vec<i64>>())?;
        push(&mut arguments, failed.iter().map(|(id, ..)| *id).collect::<Vec<_>>())?;
        push(&mut arguments, failed.iter().map(|(_, error, _)| error.as_str()).collect::<Vec<_>>())?;
        push(&mut arguments, failed.iter().map(|(.., for_good)| *for_good).collect::<Vec<_>>())?;
        let operation = "settle rows of the outbox";
        let settle = self.commands.server.query(self.settle.sql(), arguments);
        self.in_time(settle.execute(&mut *tx), operation).await?;
        self.in_time(tx.commit(), operation).await
    }

    pub(super) async fn open(&self) -> Result<PgConnection> {
        self.commands.make_ready().await?;
        let server = &self.commands.server;
        server.open().await.map_err(|error| describe(error, "connect to the outbox", &server.address))
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, sqlx::Error>>,
        operation: &'static str,
    ) -> Result<T> {
        let server = &self.commands.server;
        match timeout(server.options.response, call).await {
            Ok(answer) => answer.map_err(|error| describe(error, operation, &server.address)),
            Err(_) => Err(unanswered(operation, &server.address)),
        }
    }
}

/// The row, the error to keep, and whether it is final.
fn failure(id: i64, became: &Became) -> Option<(i64, String, bool)> {
    let (error, for_good) = match became {
        Became::Done => return None,
        Became::Refused(error) => (error, true),
        Became::Failed(error) => (error, false),
    };
    // The one character that the server's texts cannot hold.
    Some((id, limits::cut_error(error).replace('\0', "\u{fffd}"), for_good))
}
