//! Waiting for wake-ups: one connection per handle that listens, owned by a task.
//!
//! A wake-up is a hint. One that is lost costs a waiter nothing but time, up to the end of its wait; after the connection
//! was made, or made again, everybody looks.

use crate::server::Server;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docket_core::{LeaseRequest, Names};
use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

/// Wake-ups that a waiter may fall behind; then it looks, which is all that they ask for.
const BACKLOG: usize = 1_024;
/// The pause before listening is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// How often a silent connection is asked whether it still is one; and, if nobody waits, given up.
const PING: Duration = Duration::from_secs(30);

/// How much later those look who were not named: in case who was is gone, and to learn of the new lease's deadline, which
/// is later than this. However much comes meanwhile, they look once.
const SPARE: Duration = Duration::from_millis(250);

/// Something becomes visible.
#[derive(Clone, Debug)]
enum Wake {
    /// Perhaps anything: the clock was moved, or wake-ups may have been lost.
    Any,
    /// In this lane, after so long.
    Lane { queue: Arc<str>, name: Arc<str>, after: Duration, whom: Whom },
}

/// Who is to look for what a wake-up tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Whom {
    All,
    /// These; the others after [`SPARE`].
    Some(Arc<[Uuid]>),
}

/// What listens for one handle.
#[derive(Debug)]
pub(crate) struct Listener {
    server: Arc<Server>,
    /// By channel: one, unless the schema was made anew.
    open: Mutex<HashMap<String, Open>>,
}

#[derive(Debug)]
struct Open {
    wakes: broadcast::Sender<Wake>,
    connected: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server, open: Mutex::default() }
    }

    /// An ear on the channel that was listened on before, with its name.
    pub(crate) fn again(&self) -> Option<(String, Ear)> {
        let channel = self.open.lock().unwrap_or_else(PoisonError::into_inner).keys().next().cloned()?;
        let ear = self.listen(&channel);
        Some((channel, ear))
    }

    /// An ear on this channel; the first one opens the connection, on the current runtime.
    pub(crate) fn listen(&self, channel: &str) -> Ear {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has ended had nobody to tell, or its runtime is gone.
        open.retain(|_, open| !open.task.is_finished());
        let open = open.entry(channel.to_owned()).or_insert_with(|| {
            let wakes = broadcast::Sender::new(BACKLOG);
            let (connected, watching) = watch::channel(false);
            let line =
                Line { server: self.server.clone(), channel: channel.to_owned(), wakes: wakes.clone(), connected };
            Open { wakes, connected: watching, task: tokio::spawn(line.serve()) }
        });
        Ear { wakes: open.wakes.subscribe(), connected: open.connected.clone() }
    }
}

/// The task behind a [`Listener`].
struct Line {
    server: Arc<Server>,
    channel: String,
    wakes: broadcast::Sender<Wake>,
    connected: watch::Sender<bool>,
}

impl Line {
    /// Listens until nobody waits any more.
    async fn serve(self) {
        loop {
            match self.connect().await {
                Ok(mut listener) => {
                    self.tell(Wake::Any);
                    self.connected.send_replace(true);
                    let end = self.hear(&mut listener).await;
                    self.connected.send_replace(false);
                    if end == End::NobodyWaits {
                        return;
                    }
                }
                // Waiters look by themselves meanwhile, and say what is wrong with the server if it is.
                Err(error) => tracing::debug!(address = self.server.address, %error, "could not listen for wake-ups"),
            }
            sleep(RECONNECT_PAUSE).await;
            if self.wakes.receiver_count() == 0 {
                return;
            }
        }
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let opening = async {
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .max_lifetime(None)
                .idle_timeout(None)
                .connect_lazy_with(self.server.connect.clone());
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(&self.channel).await?;
            Ok(listener)
        };
        let unanswered = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        timeout(self.server.options.connect, opening).await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Passes wake-ups on until the connection is lost or nobody waits.
    async fn hear(&self, listener: &mut PgListener) -> End {
        loop {
            match timeout(PING, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.tell(read(notification.payload())),
                // Made again by the loop above, with a pause: a server that is away is not hammered.
                Ok(Ok(None) | Err(_)) => return End::Lost,
                Err(_) if self.wakes.receiver_count() == 0 => return End::NobodyWaits,
                Err(_) => match timeout(self.server.options.response, listener.execute("SELECT 1")).await {
                    Ok(Ok(_)) => {}
                    _ => return End::Lost,
                },
            }
        }
    }

    fn tell(&self, wake: Wake) {
        // Safe to lose: nobody waits.
        let _ = self.wakes.send(wake);
    }
}

/// Why listening came to an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Lost,
    NobodyWaits,
}

/// Reads `QUEUE|NAME|MICROSECONDS`, and perhaps `|WAITER,WAITER,...`; what is anything else may mean anything.
fn read(payload: &str) -> Wake {
    let mut parts = payload.split('|');
    let lane = (parts.next(), parts.next(), parts.next().and_then(|micros| micros.parse().ok()));
    let whom = parts
        .next()
        .map_or(Ok(Whom::All), |whom| whom.split(',').map(str::parse).collect::<Result<_, _>>().map(Whom::Some));
    match (lane, whom) {
        ((Some(queue), Some(name), Some(micros)), Ok(whom)) => {
            Wake::Lane { queue: queue.into(), name: name.into(), after: Duration::from_micros(micros), whom }
        }
        _ => Wake::Any,
    }
}

/// One waiter's end of a [`Listener`].
#[derive(Debug)]
pub(crate) struct Ear {
    wakes: broadcast::Receiver<Wake>,
    connected: watch::Receiver<bool>,
}

impl Ear {
    /// Whether it hears.
    pub(crate) fn is_open(&self) -> bool {
        *self.connected.borrow()
    }

    /// Waits until it hears; without a connection, for as long as making one may take. False: it never will.
    pub(crate) async fn open(&mut self, end: Instant) -> bool {
        // Safe to lose: whoever hears nothing looks at the end of its wait.
        !matches!(timeout_at(end, self.connected.wait_for(|connected| *connected)).await, Ok(Err(_)))
    }

    /// Forgets what was said so far: a look comes now, and sees all of it.
    pub(crate) fn forget(&mut self) {
        loop {
            match self.wakes.try_recv() {
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Waits until `due`, or until anything is said; `None` once nothing will be.
    pub(crate) async fn hear_anything(&mut self, due: Instant) -> Option<()> {
        match timeout_at(due, self.wakes.recv()).await {
            Ok(Err(RecvError::Closed)) => None,
            Err(_) | Ok(Ok(_) | Err(RecvError::Lagged(_))) => Some(()),
        }
    }

    /// Waits until `due`, or until something that `request` may lease becomes visible; then it must look. False: it hears
    /// nothing more.
    pub(crate) async fn wait(&mut self, request: &LeaseRequest, waiter: Uuid, mut due: Instant) -> bool {
        loop {
            match timeout_at(due, self.wakes.recv()).await {
                Err(_) | Ok(Ok(Wake::Any) | Err(RecvError::Lagged(_))) => return true,
                Ok(Ok(Wake::Lane { queue, name, after, whom })) if wants(request, &queue, &name) => {
                    let is_meant = match whom {
                        Whom::All => true,
                        Whom::Some(whom) => whom.contains(&waiter),
                    };
                    let now = Instant::now();
                    due = due.min(now + if is_meant { after } else { SPARE });
                    // A timer is up to two milliseconds late, also one for now.
                    if due <= now {
                        return true;
                    }
                }
                Ok(Ok(Wake::Lane { .. })) => {}
                // Its task has ended with its runtime, or between two waiters.
                Ok(Err(RecvError::Closed)) => return false,
            }
        }
    }
}

fn wants(request: &LeaseRequest, queue: &str, name: &str) -> bool {
    let named = match &request.names {
        Names::Known(names) => names.iter().any(|known| known.name.as_str() == name),
        Names::Any { .. } => true,
    };
    named && request.queues.iter().any(|asked| asked.as_str() == queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_is_read_and_what_is_none_wakes_anybody() {
        let Wake::Lane { queue, name, after, whom } = read("fast|scan|1500") else { panic!("it names a lane") };
        assert_eq!((&*queue, &*name, after, whom), ("fast", "scan", Duration::from_micros(1_500), Whom::All));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let Wake::Lane { whom, .. } = read(&format!("fast|scan|0|{one},{other}")) else { panic!("it names a lane") };
        assert_eq!(whom, Whom::Some([one, other].into()));
        for payload in ["*", "", "a|b", "a|b|soon", "a|b|-1", "a|b|0|", "a|b|0|me"] {
            assert!(matches!(read(payload), Wake::Any), "{payload}");
        }
    }
}
