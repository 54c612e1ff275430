//! Waiting for wake-ups: blocking reads, each on a connection of its own, owned by a task that
//! never drops one half-way. A dropped read would still take a wake-up, and nobody would ever hear
//! of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::call::Call;
use crate::connection::{Connection, blocking_read};
use crate::error::describe;
use crate::keys::Keys;
use crate::{numbers, scripts};

/// Idle waiters kept for the next wait. A worker needs one.
const IDLE_MAX: usize = 4;
/// How much later than asked the server may end a read by itself: it checks its timeouts only now
/// and then. So the waiter keeps the due time, and the server's timeout is the second safeguard.
const SERVER_TIMEOUT_MARGIN: Duration = Duration::from_millis(250);

/// The value of a wake-up that asks for a poll [`STANDBY`] later; any other asks for one now.
const STANDBY_ENTRY: &str = "standby";
const STANDBY: Duration = Duration::from_micros(numbers::STANDBY.unsigned_abs());

/// How long a waiter stays registered between two calls. A worker usually calls again at once; one
/// that does not must not block others that rely on it.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// When a call ends, tasks due sooner than this are passed to another waiter.
pub(crate) const LEFT_ALONE_MAX: Duration = Duration::from_secs(2);

/// The waiters of one handle. Each waiting call takes one, and returns it unless it is dropped.
#[derive(Debug)]
pub(crate) struct Waiters {
    parts: Arc<Parts>,
    idle: Arc<Mutex<Vec<Idle>>>,
}

/// A waiter between two calls.
#[derive(Debug)]
struct Idle {
    waiter: Waiter,
    listed: Option<Listed>,
}

/// The waiter is still registered from the previous call, so the next call may block without
/// polling first.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) lists: Vec<String>,
    /// When it must poll by itself.
    pub(crate) due: Option<Instant>,
    /// The end of its wait as the server knows it.
    pub(crate) until: Instant,
}

/// Shared by all waiters.
#[derive(Debug)]
struct Parts {
    commands: Arc<Connection>,
    keys: Keys,
}

/// The caller's end of a waiter. Dropping it ends the waiter in order: a read under way is ended on
/// the server, and a wake-up that it took is returned.
#[derive(Debug)]
pub(crate) struct Waiter {
    id: Arc<str>,
    orders: mpsc::Sender<Order>,
    /// Whether the server may still list it as a waiter.
    listed: Arc<AtomicBool>,
}

/// One wait.
#[derive(Debug)]
struct Order {
    lists: Vec<String>,
    block: Duration,
    due: Option<Duration>,
    ended: oneshot::Sender<Result<Vec<String>>>,
}

impl Waiters {
    pub(crate) fn new(commands: Arc<Connection>, keys: Keys) -> Self {
        Self { parts: Arc::new(Parts { commands, keys }), idle: Arc::default() }
    }

    /// An idle waiter, preferably one that already waits on these lists; or a new one on the
    /// current runtime.
    pub(crate) fn take(&self, lists: &[String]) -> (Waiter, Option<Listed>) {
        let mut idle = locked(&self.idle);
        // A closed one belonged to a runtime that is gone.
        idle.retain(|idle| !idle.waiter.orders.is_closed());
        let waits_on = |idle: &Idle| idle.listed.as_ref().is_some_and(|listed| listed.lists == lists);
        if let Some(at) = idle.iter().position(waits_on).or_else(|| idle.iter().position(|idle| idle.listed.is_none()))
        {
            let Idle { waiter, listed } = idle.swap_remove(at);
            return (waiter, listed);
        }
        let (orders, incoming) = mpsc::channel(1);
        let id: Arc<str> = Uuid::now_v7().simple().to_string().into();
        let listed = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            parts: self.parts.clone(),
            id: id.clone(),
            listed: listed.clone(),
            connection: None,
            took: Vec::new(),
            lost: false,
        };
        tokio::spawn(reader.serve(incoming));
        (Waiter { id, orders, listed }, None)
    }

    pub(crate) fn bring_back(&self, waiter: Waiter, listed: Option<Listed>) {
        waiter.listed.store(listed.is_some(), Ordering::Release);
        if let Some(listed) = &listed {
            self.drop_later(&waiter, listed.until);
        }
        let mut idle = locked(&self.idle);
        // Too many: a dropped waiter leaves the server's list by itself.
        if idle.len() < IDLE_MAX {
            idle.push(Idle { waiter, listed });
        }
    }

    /// Drops a registered waiter whose caller does not call again.
    fn drop_later(&self, waiter: &Waiter, until: Instant) {
        let (idle, id) = (Arc::downgrade(&self.idle), waiter.id.clone());
        let is_left =
            move |idle: &Idle| idle.waiter.id == id && idle.listed.as_ref().is_some_and(|listed| listed.until == until);
        tokio::spawn(async move {
            sleep(LINGER).await;
            if let Some(idle) = idle.upgrade() {
                locked(&idle).retain(|idle| !is_left(idle));
            }
        });
    }
}

fn locked(idle: &Mutex<Vec<Idle>>) -> MutexGuard<'_, Vec<Idle>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiter {
    /// Its name on the server. The caller is about to register it there.
    pub(crate) fn listed_as(&self) -> &str {
        self.listed.store(true, Ordering::Release);
        &self.id
    }

    /// Waits for a wake-up in one of `lists`, until `due`, or for `block`; poll again in any case.
    /// Returns the lists for which that poll is the one of a standby.
    pub(crate) async fn wait(&self, lists: Vec<String>, block: Duration, due: Option<Duration>) -> Result<Vec<String>> {
        let gone = |_| Error::new(ErrorKind::Unavailable, "wait for tasks", "the runtime of the wait has ended");
        let (ended, end) = oneshot::channel();
        self.orders.send(Order { lists, block, due, ended }).await.map_err(|error| gone(error.to_string()))?;
        end.await.map_err(|error| gone(error.to_string()))?
    }
}

/// When a wait ends by itself.
struct Ends {
    block: Instant,
    /// Exact to the millisecond.
    due: Option<Instant>,
    /// The server's own timeout is exact enough for it.
    standby: Option<Instant>,
}

impl Ends {
    fn of(order: &Order) -> Self {
        let now = Instant::now();
        Self { block: now + order.block, due: order.due.map(|due| now + due), standby: None }
    }

    /// For how long to block.
    fn block(&self) -> Duration {
        let due = self.due.map(|due| due + SERVER_TIMEOUT_MARGIN);
        let end = [due, self.standby].into_iter().flatten().fold(self.block, Instant::min);
        end.saturating_duration_since(Instant::now())
    }

    async fn is_due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

/// The task behind a [`Waiter`].
struct Reader {
    parts: Arc<Parts>,
    id: Arc<str>,
    listed: Arc<AtomicBool>,
    connection: Option<MultiplexedConnection>,
    /// The wake lists from which the latest wait took wake-ups.
    took: Vec<String>,
    /// Whether the latest read was lost with its connection.
    lost: bool,
}

impl Reader {
    async fn serve(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(mut order) = orders.recv().await {
            let end = self.read(&mut order).await;
            // Safe to lose: a caller that is gone has dropped the waiter as well, and the loop
            // ends.
            let _ = order.ended.send(end);
        }
        // A caller that got its answer has cleared this mark: then the wake-up was used.
        if self.listed.load(Ordering::Acquire) {
            self.leave().await;
        }
    }

    /// Waits to the end: one read, and further ones while the wake-ups are those of a standby.
    /// Returns the lists of these.
    async fn read(&mut self, order: &mut Order) -> Result<Vec<String>> {
        self.took.clear();
        let mut ends = Ends::of(order);
        let own = self.parts.keys.key(&format!("p:{}", self.id));
        let lists = [std::slice::from_ref(&own), &order.lists].concat();
        let mut stood_by = Vec::new();
        while let Some((list, value)) = self.read_one(&lists, &ends, &mut order.ended).await? {
            let Some(lane) = self.parts.keys.strip(&list).filter(|_| list != own) else { break };
            self.took.push(lane.to_owned());
            if value != STANDBY_ENTRY {
                break;
            }
            stood_by.push(lane.to_owned());
            ends.standby.get_or_insert_with(|| Instant::now() + STANDBY);
        }
        Ok(stood_by)
    }

    /// One blocking read, to its end.
    async fn read_one(
        &mut self,
        lists: &[String],
        ends: &Ends,
        caller: &mut oneshot::Sender<Result<Vec<String>>>,
    ) -> Result<Option<(String, String)>> {
        let server = &self.parts.commands.server;
        let (mut connection, reused) = match self.connection.take() {
            Some(connection) => (connection, true),
            None => (server.open().await?, false),
        };
        let answer = {
            let mut read = std::pin::pin!(blocking_read(&mut connection, lists, ends.block(), server.options.response));
            let mut due = std::pin::pin!(ends.is_due());
            let mut ended = false;
            loop {
                tokio::select! {
                    answer = &mut read => break answer,
                    () = &mut due, if !ended => {}
                    () = caller.closed(), if !ended => {}
                }
                ended = true;
                self.end_read().await;
            }
        };
        match answer {
            Ok(taken) => {
                self.connection = Some(connection);
                Ok(taken)
            }
            // The server closed it while it was idle, or during the read: a poll will find what it
            // may have taken.
            Err(error) if reused && error.is_connection_dropped() => {
                // If only this end is gone, the read goes on at the server, and would take the next
                // waiter's wake-up.
                self.end_read().await;
                Ok(None)
            }
            Err(error) => {
                self.lost = true;
                Err(describe(error, "wait for tasks", &server.address))
            }
        }
    }

    /// Ends the current read.
    async fn end_read(&self) {
        let mut call = Call::new(&scripts::END_READ, self.parts.keys.meta(), 0);
        call.text(&self.id);
        if let Err(error) = self.parts.commands.script(&call, "end a wait").await {
            // Safe to lose: the read times out by itself.
            tracing::debug!(error = ?error, "could not end a wait");
        }
    }

    /// Cleans up after a caller that is gone: its registration and its wake-ups.
    async fn leave(&self) {
        let mut call = Call::new(&scripts::LEAVE, self.parts.keys.meta(), 0);
        call.text(&self.id).number(u8::from(self.lost)).number(self.took.len());
        for list in &self.took {
            call.text(list);
        }
        if let Err(error) = self.parts.commands.script(&call, "stop waiting").await {
            // Safe to lose: other waiters poll by themselves within their check interval.
            tracing::debug!(error = ?error, "could not return a wake-up");
        }
    }
}
