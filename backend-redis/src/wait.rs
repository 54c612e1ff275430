//! Waiting for wake-ups: blocking reads, each on a connection of its own, owned by a task that never drops one in the
//! middle. A dropped read still takes, and what it took nobody would ever hear of.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::call::Call;
use crate::connection::{Connection, blocking_read};
use crate::error::describe;
use crate::keys::Keys;
use crate::scripts;

/// Idle waiters kept for the next wait. A worker needs one.
const IDLE_MAX: usize = 4;
/// How much later than asked the server may end a read by itself: it looks at its timeouts only so often, so a due time
/// is kept by the waiter, and the server's timeout is the second line.
const SERVER_TIMEOUT_MARGIN: Duration = Duration::from_millis(250);

/// How long a waiter stays listed between two calls. A worker comes back at once; one that does not must not hold up
/// what others rely on it for.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// What becomes visible sooner than this is handed to another waiter when a call ends.
pub(crate) const LEFT_ALONE_MAX: Duration = Duration::from_secs(2);

/// The waiters of one handle. Each waiting call takes one, and brings it back unless it is dropped.
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

/// That a waiter is on the server's list: the last look of one call was the first of the next, which can block at once.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) lists: Vec<String>,
    /// When it must look again by itself.
    pub(crate) due: Option<Instant>,
    /// How long the server believes that it waits.
    pub(crate) until: Instant,
}

/// What every waiter works with.
#[derive(Debug)]
struct Parts {
    commands: Arc<Connection>,
    keys: Keys,
}

/// The caller's end of a waiter. Dropping it ends the waiter, in order: a read under way is broken off on the server,
/// and a wake-up that it took meanwhile is given back.
#[derive(Debug)]
pub(crate) struct Waiter {
    id: Arc<str>,
    orders: mpsc::Sender<Order>,
    /// Whether the server may have it on its list of waiters.
    listed: Arc<AtomicBool>,
}

/// One wait.
#[derive(Debug)]
struct Order {
    lists: Vec<String>,
    block: Duration,
    due: Option<Duration>,
    ended: oneshot::Sender<Result<()>>,
}

impl Waiters {
    pub(crate) fn new(commands: Arc<Connection>, keys: Keys) -> Self {
        Self { parts: Arc::new(Parts { commands, keys }), idle: Arc::default() }
    }

    /// An idle waiter, if possible one that waits on these lists already; or a new one on the current runtime.
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
            took: None,
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
        // Too many: one that is dropped leaves the server's list by itself.
        if idle.len() < IDLE_MAX {
            idle.push(Idle { waiter, listed });
        }
    }

    /// Drops a waiter that is listed and whose caller does not come back.
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
    /// Its name on the server. Whoever asks for it is about to list it there.
    pub(crate) fn listed_as(&self) -> &str {
        self.listed.store(true, Ordering::Release);
        &self.id
    }

    /// Waits for a wake-up in one of `lists`, until `due`, or for `block`; whichever it was, look again.
    pub(crate) async fn wait(&self, lists: Vec<String>, block: Duration, due: Option<Duration>) -> Result<()> {
        let gone = |_| Error::new(ErrorKind::Unavailable, "wait for tasks", "the runtime of the wait has ended");
        let (ended, end) = oneshot::channel();
        self.orders.send(Order { lists, block, due, ended }).await.map_err(|error| gone(error.to_string()))?;
        end.await.map_err(|error| gone(error.to_string()))?
    }
}

/// The task behind a [`Waiter`].
struct Reader {
    parts: Arc<Parts>,
    id: Arc<str>,
    listed: Arc<AtomicBool>,
    connection: Option<MultiplexedConnection>,
    /// The wake list that the latest read took from.
    took: Option<String>,
    /// Whether the latest read was lost with its connection.
    lost: bool,
}

impl Reader {
    async fn serve(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(mut order) = orders.recv().await {
            let end = self.read(&mut order).await;
            // Safe to lose: a caller that is gone has dropped the waiter as well, and the loop ends.
            let _ = order.ended.send(end);
        }
        // A caller that had its answer has taken this mark away: then the wake-up was used.
        if self.listed.load(Ordering::Acquire) {
            self.leave().await;
        }
    }

    /// One read, to its end.
    async fn read(&mut self, order: &mut Order) -> Result<()> {
        self.took = None;
        let server = &self.parts.commands.server;
        let (mut connection, reused) = match self.connection.take() {
            Some(connection) => (connection, true),
            None => (server.open().await?, false),
        };
        let own = self.parts.keys.key(&format!("p:{}", self.id));
        let mut lists = vec![own.clone()];
        lists.append(&mut order.lists);
        let block = order.due.map_or(order.block, |due| order.block.min(due + SERVER_TIMEOUT_MARGIN));
        let answer = {
            let mut read = std::pin::pin!(blocking_read(&mut connection, &lists, block, server.options.response));
            let mut due = std::pin::pin!(sleep(order.due.unwrap_or(Duration::MAX)));
            let mut ended = false;
            loop {
                tokio::select! {
                    answer = &mut read => break answer,
                    () = &mut due, if !ended => {}
                    () = order.ended.closed(), if !ended => {}
                }
                ended = true;
                self.end_read().await;
            }
        };
        match answer {
            Ok(list) => {
                self.took = list.filter(|list| *list != own);
                self.connection = Some(connection);
                Ok(())
            }
            // The server closed it while it was idle, or in the middle: what it took, if anything, a look will find.
            Err(error) if reused && error.is_connection_dropped() => {
                // Where only this end of it is gone, the read goes on at the server, and would take what is for the next.
                self.end_read().await;
                Ok(())
            }
            Err(error) => {
                self.lost = true;
                Err(describe(error, "wait for tasks", &server.address))
            }
        }
    }

    /// Ends the read under way.
    async fn end_read(&self) {
        let mut call = Call::new(&scripts::END_READ, self.parts.keys.meta(), 0);
        call.text(&self.id);
        if let Err(error) = self.parts.commands.script(&call, "end a wait").await {
            // Safe to lose: the read times out by itself.
            tracing::debug!(error = ?error, "could not end a wait");
        }
    }

    /// Gives back what a caller left behind that is gone: its place among the waiters and its wake-up.
    async fn leave(&self) {
        let mut call = Call::new(&scripts::LEAVE, self.parts.keys.meta(), 0);
        let took = self.took.as_deref().and_then(|list| self.parts.keys.strip(list));
        call.text(&self.id).text(took.unwrap_or("")).number(u8::from(self.lost));
        if let Err(error) = self.parts.commands.script(&call, "stop waiting").await {
            // Safe to lose: other waiters look by themselves within their check interval.
            tracing::debug!(error = ?error, "could not return a wake-up");
        }
    }
}
