//! The five verbs: each call is one statement.

use std::sync::Arc;

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, Capabilities, DocketName, Heartbeat, HeartbeatAnswer, LeaseReply, LeaseRequest, NewTask,
    QueueBackend, Relocate, Result, ScheduleAnswer, Store, Swept, UrlSource, micros, words,
};
use sqlx::PgPool;
use sqlx::postgres::PgArguments;
use tokio::sync::OnceCell;

use crate::connection::Connection;
use crate::items::{self, Batch, WriteTasks};
use crate::request::{self, Columns, push};
use crate::server::Server;
use crate::statements::{Statement, Statements};
use crate::url::Address;
use crate::wait::Listener;
use crate::{Options, Pooler, examine};

/// A docket in a Postgres database.
///
/// Connections are opened on first use, on the runtime that uses them first, and made again when they break. A handle has
/// a few for statements and one that listens while a call waits; [`QueueBackend::fork`] makes a handle with connections of
/// its own.
///
/// ```no_run
/// # async fn f() -> docket_core::Result<()> {
/// use docket_core::DocketName;
/// use docket_postgres::{Options, PostgresBackend};
///
/// let store = PostgresBackend::connect("postgres://localhost/app", DocketName::default(), Options::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresBackend {
    pub(crate) commands: Arc<Connection>,
    docket: DocketName,
    scheme: &'static str,
    pub(crate) listener: Listener,
    /// Set once a connection of our own has made the docket known.
    pub(crate) entered: OnceCell<()>,
}

impl PostgresBackend {
    /// Reads the URL, connects, checks the server, and creates the schema or migrates it.
    ///
    /// # Errors
    ///
    /// `Config` for a URL or an option that cannot work. `Unavailable`, within [`Options::connect`]
    /// and [`Options::response`], if the server cannot be reached: a service that must start all
    /// the same uses [`PostgresBackend::open`]. `Refused` for a wrong password, a read-only copy,
    /// or a server that is too old. `Conflict` for a schema that is newer than this build. Each
    /// names the server, without user and password.
    ///
    /// # Cancel safety
    ///
    /// The schema is created in one transaction, so the call can be dropped at any time.
    pub async fn connect(url: &str, docket: DocketName, options: Options) -> Result<Self> {
        Self::connect_at(url.into(), docket, options).await
    }

    /// The same with a URL that may come from a file. The file is read again for each connection:
    /// see [`UrlSource`].
    ///
    /// # Errors
    ///
    /// As [`PostgresBackend::connect`].
    ///
    /// # Cancel safety
    ///
    /// As [`PostgresBackend::connect`].
    pub async fn connect_at(url: UrlSource, docket: DocketName, options: Options) -> Result<Self> {
        let backend = Self::open_at(url, docket, options)?;
        examine::admit(&backend.commands).await?;
        backend.commands.make_ready().await?;
        Ok(backend)
    }

    /// Only reads the URL. The first call connects and sees to the schema; the server is not
    /// checked.
    ///
    /// # Errors
    ///
    /// `Config` for a URL or an option that cannot work.
    pub fn open(url: &str, docket: DocketName, options: Options) -> Result<Self> {
        Self::open_at(url.into(), docket, options)
    }

    /// The same with a URL that may come from a file. The file is read again for each connection:
    /// see [`UrlSource`].
    ///
    /// # Errors
    ///
    /// As [`PostgresBackend::open`].
    pub fn open_at(url: UrlSource, docket: DocketName, options: Options) -> Result<Self> {
        let (server, address) = Server::at(url, options)?;
        Ok(Self::on(Arc::new(server), docket, address.scheme))
    }

    /// A docket on a pool that the service already has. Its forks share the pool, so a service that
    /// exhausts the pool starves the worker; only the listener has a connection of its own. Like
    /// [`PostgresBackend::open`], this does not connect yet.
    ///
    /// # Errors
    ///
    /// `Config` for an option that cannot work.
    pub fn on_pool(pool: PgPool, docket: DocketName, options: Options) -> Result<Self> {
        let address = Address::of(&pool.connect_options());
        let server = Server::new(&address, Some(pool), options)?;
        Ok(Self::on(Arc::new(server), docket, address.scheme))
    }

    fn on(server: Arc<Server>, docket: DocketName, scheme: &'static str) -> Self {
        let listener = Listener::new(server.clone());
        Self { commands: Arc::new(Connection::new(server)), docket, scheme, listener, entered: OnceCell::new() }
    }

    pub(crate) fn statements(&self) -> &Statements {
        &self.commands.server.statements
    }

    /// The arguments of a call: the docket first.
    pub(crate) fn arguments(&self) -> Result<PgArguments> {
        let mut arguments = PgArguments::default();
        push(&mut arguments, self.docket.as_str())?;
        Ok(arguments)
    }

    async fn place<A>(
        &self,
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
        let row = self.commands.row(statement, arguments, operation).await?;
        batch.answers(operation, Columns::of(&row, operation).only()?, read)
    }
}

#[async_trait]
impl QueueBackend for PostgresBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scheme: self.scheme,
            docket: self.docket.clone(),
            durable: true,
            shared: true,
            transactional_add: true,
        }
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(Self::on(self.commands.server.clone(), self.docket.clone(), self.scheme))
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        Some(self)
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.place((&self.statements().add, items::write_adds), "add tasks", tasks, words::add_answer).await
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.place((&self.statements().schedule, items::write_tasks), "schedule tasks", tasks, words::schedule_answer)
            .await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        request::check(request)?;
        if request.wait.is_zero() || request.count == 0 {
            return self.look_at_once(request, None, &mut Swept::default()).await;
        }
        match self.commands.server.options.pooler {
            Pooler::None => Box::pin(self.wait(request)).await,
            Pooler::Transaction => Box::pin(self.poll(request)).await,
        }
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        let operation = "renew leases";
        let batch = Batch::check(operation, &beat.tokens, 0, |_| Ok(0))?;
        let mut arguments = self.arguments()?;
        push(&mut arguments, beat.worker.id.as_str())?;
        push(&mut arguments, request::write_worker(&beat.worker)?)?;
        push(&mut arguments, micros(beat.worker.ttl))?;
        push(&mut arguments, micros(beat.lease_for))?;
        items::write_tokens(&mut arguments, &batch.accepted())?;
        let row = self.commands.row(&self.statements().heartbeat, arguments, operation).await?;
        batch.answers(operation, Columns::of(&row, operation).only()?, words::heartbeat_answer)
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        let operation = "settle tasks";
        let batch = Batch::check(operation, acks, self.commands.server.options.max_payload_bytes, items::weigh_ack)?;
        let mut arguments = self.arguments()?;
        items::write_acks(&mut arguments, &batch.accepted())?;
        let row = self.commands.row(&self.statements().ack, arguments, operation).await?;
        let columns = Columns::of(&row, operation);
        let dead_trimmed = columns.count(columns.read("dead_trimmed")?)?;
        Ok(AckReply {
            answers: batch.answers(operation, columns.read("answers")?, words::ack_answer)?,
            swept: Swept { dead_trimmed, ..Swept::default() },
        })
    }
}
