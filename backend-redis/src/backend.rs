//! The five verbs: each call is one script, and a wait is a blocking read between two polls.

use std::sync::Arc;

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, Capabilities, DocketName, Heartbeat, HeartbeatAnswer, LeaseReply, LeaseRequest, NewTask,
    QueueBackend, Relocate, Result, ScheduleAnswer, Store, Swept, UrlSource, words,
};

use crate::call::Call;
use crate::connection::{Connection, Server};
use crate::fields::Fields;
use crate::items::{self, Batch};
use crate::keys::Keys;
use crate::persist::Witness;
use crate::request::{self, Look};
use crate::scripts::Script;
use crate::wait::Waiters;
use crate::{Options, examine, scripts};

/// A docket on a Redis server.
///
/// Connections are opened on first use, on the runtime of that use, and reopened when they break. A
/// handle has one for commands, and one for each of its calls that waits; [`QueueBackend::fork`]
/// creates a handle with connections of its own.
///
/// ```no_run
/// # async fn f() -> docket_core::Result<()> {
/// use docket_core::DocketName;
/// use docket_redis::{Options, RedisBackend};
///
/// let store = RedisBackend::connect("redis://localhost", DocketName::default(), Options::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisBackend {
    pub(crate) commands: Arc<Connection>,
    pub(crate) keys: Keys,
    pub(crate) docket: DocketName,
    scheme: &'static str,
    waiters: Waiters,
    pub(crate) witness: Witness,
}

impl RedisBackend {
    /// Reads the URL, connects, and checks the server: settings that lose tasks in normal operation
    /// are refused, settings that lose them in a fault are logged.
    ///
    /// # Errors
    ///
    /// `Config` for a URL that cannot be read, or an option out of bounds. `Unavailable`, within
    /// [`Options::connect`] and a few times [`Options::response`], if the server cannot be reached:
    /// a service that must start all the same uses [`RedisBackend::open`]. `Refused` for a wrong
    /// password, a read-only copy, or a server that may evict tasks (see
    /// [`Options::accept_eviction`]). Each names the server, without user and password.
    ///
    /// # Cancel safety
    ///
    /// It only reads, so it can be dropped at any time.
    pub async fn connect(url: &str, docket: DocketName, options: Options) -> Result<Self> {
        Self::connect_at(url.into(), docket, options).await
    }

    /// The same with a URL that may come from a file. The file is read again for each connection:
    /// see [`UrlSource`].
    ///
    /// # Errors
    ///
    /// As [`RedisBackend::connect`].
    ///
    /// # Cancel safety
    ///
    /// As [`RedisBackend::connect`].
    pub async fn connect_at(url: UrlSource, docket: DocketName, options: Options) -> Result<Self> {
        let backend = Self::open_at(url, docket, options)?;
        examine::admit(&backend.commands, &backend.keys).await?;
        Ok(backend)
    }

    /// Only reads the URL. The first call connects; the server is not checked.
    ///
    /// # Errors
    ///
    /// `Config` for a URL that cannot be read, or an option out of bounds.
    pub fn open(url: &str, docket: DocketName, options: Options) -> Result<Self> {
        Self::open_at(url.into(), docket, options)
    }

    /// The same with a URL that may come from a file. The file is read again for each connection:
    /// see [`UrlSource`].
    ///
    /// # Errors
    ///
    /// As [`RedisBackend::open`].
    pub fn open_at(url: UrlSource, docket: DocketName, options: Options) -> Result<Self> {
        options.check()?;
        let (server, address) = Server::at(url, options)?;
        Ok(Self::on(Arc::new(server), docket, address.scheme))
    }

    fn on(server: Arc<Server>, docket: DocketName, scheme: &'static str) -> Self {
        let (commands, keys) = (Arc::new(Connection::new(server)), Keys::new(&docket));
        let waiters = Waiters::new(commands.clone(), keys.clone());
        let witness = Witness::default();
        Self { commands, keys, docket, scheme, waiters, witness }
    }

    pub(crate) fn call(&self, script: &'static Script, bytes: usize) -> Call {
        Call::new(script, self.keys.meta(), bytes)
    }

    pub(crate) async fn run(&self, call: &Call, operation: &'static str) -> Result<Fields> {
        Fields::of(self.commands.script(call, operation).await?, operation)
    }

    pub(crate) fn max_payload_bytes(&self) -> usize {
        self.commands.server.options.max_payload_bytes
    }

    async fn place<A>(
        &self,
        script: &'static Script,
        operation: &'static str,
        tasks: &[NewTask],
        read: fn(&str) -> Option<A>,
    ) -> Result<Vec<Result<A>>> {
        let batch = Batch::check(operation, tasks, self.max_payload_bytes(), items::weigh_task)?;
        let mut call = self.call(script, batch.bytes());
        batch.accepted().for_each(|task| items::write_task(&mut call, task));
        let mut answers = match batch.accepted().next() {
            Some(_) => Fields::words(self.commands.script(&call, operation).await?, operation)?,
            None => Fields::empty(operation),
        };
        batch.answers(|_| items::read_answer(&mut answers, operation, read))
    }
}

#[async_trait]
impl QueueBackend for RedisBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scheme: self.scheme,
            docket: self.docket.clone(),
            durable: true,
            shared: true,
            transactional_add: false,
        }
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(Self::on(self.commands.server.clone(), self.docket.clone(), self.scheme))
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        Some(self)
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.place(&scripts::ADD, "add tasks", tasks, words::add_answer).await
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.place(&scripts::SCHEDULE, "schedule tasks", tasks, words::schedule_answer).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        request::check(request)?;
        if request.wait.is_zero() || request.count == 0 {
            return Ok(self.look(request, Look::Last(None), &[]).await?.reply);
        }
        let lists = request::wake_lists(request);
        let (waiter, listed) = self.waiters.take(&lists);
        // On an error the waiter is dropped and leaves the server's list by itself.
        let (reply, listed) = self.wait(request, &waiter, lists, listed).await?;
        self.waiters.bring_back(waiter, listed);
        Ok(reply)
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        let operation = "renew leases";
        let batch = Batch::check(operation, &beat.tokens, self.max_payload_bytes(), |_| Ok(0))?;
        let mut call = self.call(&scripts::HEARTBEAT, 1_024);
        request::write_worker(&mut call, &beat.worker)?;
        call.micros(beat.lease_for);
        batch.accepted().for_each(|token| items::write_token(&mut call, token));
        let mut answers = Fields::words(self.commands.script(&call, operation).await?, operation)?;
        batch.answers(|_| items::read_answer(&mut answers, operation, words::heartbeat_answer))
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        let operation = "settle tasks";
        let batch = Batch::check(operation, acks, self.max_payload_bytes(), items::weigh_ack)?;
        let mut call = self.call(&scripts::ACK, batch.bytes());
        call.number(batch.accepted().count());
        batch.accepted().for_each(|ack| items::write_ack(&mut call, ack));
        let mut fields = self.run(&call, operation).await?;
        let mut answers = fields.next_words()?;
        let answers = batch.answers(|_| items::read_answer(&mut answers, operation, words::ack_answer))?;
        let swept = Swept { dead_trimmed: fields.count()?, ..Swept::default() };
        Ok(AckReply { answers, swept })
    }

    async fn persist(&self) -> Result<()> {
        self.wait_for_disk().await
    }
}
