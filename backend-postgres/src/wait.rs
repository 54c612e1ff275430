//! Waiting for wake-ups: one listening connection per handle, owned by a task.
//!
//! A wake-up is a hint. A lost one costs only time, up to the end of the wait; after the connection
//! was opened, or opened again, every waiter polls.

use crate::server::Server;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docket_core::LeaseRequest;
use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

/// How many wake-ups a waiter may lag behind; then it polls, which is all that they ask for.
const BACKLOG: usize = 1_024;
/// The pause before reconnecting. Until then nobody polls, so this adds to the delay of a task
/// after the server answers again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// How often a silent connection with waiters is pinged. The driver sets no keepalive, and a
/// firewall that has forgotten a connection says nothing: a task added in that time starts so much
/// later, plus [`crate::Options::response`].
const PING: Duration = Duration::from_secs(3);
/// A silent connection without waiters is closed after this.
const UNUSED_MAX: Duration = Duration::from_secs(30);

/// Delay before the standby polls, in case the notified worker has died, and to tell the others the
/// deadline of the new lease, which is later than this. Without a standby, the delay of all waiters
/// that were not named.
const SPARE: Duration = Duration::from_millis(250);
/// Delay before the others poll if the standby is silent. However many wake-ups come in that time,
/// they poll once.
const DEPUTY_LOST: Duration = Duration::from_secs(1);

/// A wake-up: something becomes visible.
#[derive(Clone, Debug)]
enum Wake {
    /// Unspecific: the clock was moved, or wake-ups may have been lost.
    Any,
    /// In this lane, after this delay.
    Lane { lane: Lane, after: Duration, whom: Whom },
    /// A standby has polled for everyone: the next task of this lane is due after this delay.
    Seen { lane: Lane, after: Option<Duration> },
}

/// Tasks of one name in one queue.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Lane {
    queue: Arc<str>,
    name: Arc<str>,
}

/// The waiters that a wake-up is meant for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Whom {
    All,
    /// These; the others poll later, themselves or through a standby: see [`SPARE`].
    Some {
        these: Arc<[Uuid]>,
        deputy: Option<Uuid>,
    },
}

/// The listener of one handle.
#[derive(Debug)]
pub(crate) struct Listener {
    server: Arc<Server>,
    /// By channel: usually one, more only if the schema was recreated.
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

    /// An ear on the channel of the last wait, with its name.
    pub(crate) fn again(&self) -> Option<(String, Ear)> {
        let channel = self.open.lock().unwrap_or_else(PoisonError::into_inner).keys().next().cloned()?;
        let ear = self.listen(&channel);
        Some((channel, ear))
    }

    /// An ear on this channel; the first one opens the connection, on the current runtime.
    pub(crate) fn listen(&self, channel: &str) -> Ear {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A task that has ended had no waiters, or its runtime is gone.
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
    /// Listens until there are no waiters.
    async fn serve(self) {
        loop {
            let started = Instant::now();
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
                // Until then waiters poll by themselves, and report what is wrong with the server.
                Err(error) => {
                    let (address, error) = (&self.server.address, error.to_string());
                    let error = &*address.redacted(&error);
                    tracing::debug!(%address, error, "could not listen for wake-ups");
                }
            }
            // A connection that has served for longer is reopened at once; a server that is down is
            // not hammered.
            sleep(RECONNECT_PAUSE.saturating_sub(started.elapsed())).await;
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
                .connect_lazy_with(self.server.connect_options());
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(&self.channel).await?;
            Ok(listener)
        };
        let unanswered = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        timeout(self.server.options.connect, opening).await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Forwards wake-ups until the connection is lost or there are no waiters.
    async fn hear(&self, listener: &mut PgListener) -> End {
        let (mut heard, mut waited) = (Instant::now(), Instant::now());
        loop {
            let received = tokio::select! {
                received = timeout(PING, listener.try_recv()) => received,
                // The wake-ups of the last seconds may be lost.
                () = self.server.distrusts(heard) => return End::Lost,
            };
            let waits = self.wakes.receiver_count() > 0;
            if waits {
                waited = Instant::now();
            }
            match received {
                Ok(Ok(Some(notification))) => {
                    heard = Instant::now();
                    self.tell(read(notification.payload()));
                }
                Ok(Ok(None) | Err(_)) => return End::Lost,
                Err(_) if waited.elapsed() >= UNUSED_MAX => return End::NobodyWaits,
                Err(_) if !waits => {}
                Err(_) => {
                    let asked = Instant::now();
                    match timeout(self.server.options.response, listener.execute("SELECT 1")).await {
                        Ok(Ok(_)) => heard = Instant::now(),
                        Ok(Err(_)) => return End::Lost,
                        Err(_) => {
                            // The next poll must not wait for an answer on a connection that was
                            // silenced in the same way.
                            self.server.doubt(asked);
                            return End::Lost;
                        }
                    }
                }
            }
        }
    }

    fn tell(&self, wake: Wake) {
        // Safe to lose: there are no waiters.
        let _ = self.wakes.send(wake);
    }
}

/// Why listening came to an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Lost,
    NobodyWaits,
}

/// Reads a notification of `sql/announce.sql`. An unrecognised payload is treated as [`Wake::Any`].
fn read(payload: &str) -> Wake {
    try_read(payload).unwrap_or(Wake::Any)
}

fn try_read(payload: &str) -> Option<Wake> {
    let mut parts = payload.split('|');
    let lane = Lane { queue: parts.next()?.into(), name: parts.next()?.into() };
    let (micros, whom, deputy) = (parts.next()?, parts.next(), parts.next());
    if whom == Some("seen") {
        let after = if micros.is_empty() { None } else { Some(Duration::from_micros(micros.parse().ok()?)) };
        return Some(Wake::Seen { lane, after });
    }
    let whom = match whom {
        None => Whom::All,
        Some(these) => Whom::Some {
            these: these.split(',').map(str::parse).collect::<Result<_, _>>().ok()?,
            deputy: deputy.map(str::parse).transpose().ok()?,
        },
    };
    Some(Wake::Lane { lane, after: Duration::from_micros(micros.parse().ok()?), whom })
}

/// One waiter's end of a [`Listener`].
#[derive(Debug)]
pub(crate) struct Ear {
    wakes: broadcast::Receiver<Wake>,
    connected: watch::Receiver<bool>,
}

impl Ear {
    /// Whether the connection listens.
    pub(crate) fn is_open(&self) -> bool {
        *self.connected.borrow()
    }

    /// Waits until the connection listens; if it must be opened, for as long as that may take.
    /// False: it never will.
    pub(crate) async fn open(&mut self, end: Instant) -> bool {
        // Safe to lose: a waiter without wake-ups polls at the end of its wait.
        !matches!(timeout_at(end, self.connected.wait_for(|connected| *connected)).await, Ok(Err(_)))
    }

    /// Drops earlier wake-ups: a poll follows now and sees everything they announced.
    pub(crate) fn forget(&mut self) {
        loop {
            match self.wakes.try_recv() {
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Waits until `due` or the next wake-up; `None` once there will be none.
    pub(crate) async fn hear_anything(&mut self, due: Instant) -> Option<()> {
        match timeout_at(due, self.wakes.recv()).await {
            Ok(Err(RecvError::Closed)) => None,
            Err(_) | Ok(Ok(_) | Err(RecvError::Lagged(_))) => Some(()),
        }
    }

    /// Waits until `due`, or until a wake-up announces a task that `request` may lease. The caller
    /// must then poll, as the standby of the lanes in `deputy`. False: there will be no more
    /// wake-ups.
    pub(crate) async fn wait(
        &mut self,
        request: &LeaseRequest,
        waiter: Uuid,
        mut due: Instant,
        deputy: &mut BTreeSet<String>,
    ) -> bool {
        let mut spares = Spares::default();
        loop {
            match timeout_at(spares.first().map_or(due, |spare| due.min(spare)), self.wakes.recv()).await {
                Err(_) | Ok(Ok(Wake::Any) | Err(RecvError::Lagged(_))) => return true,
                Ok(Ok(Wake::Lane { lane, .. } | Wake::Seen { lane, .. })) if !wants(request, &lane) => {}
                Ok(Ok(Wake::Lane { lane, after, whom })) => {
                    let now = Instant::now();
                    match whom {
                        Whom::All => due = due.min(now + after),
                        Whom::Some { these, .. } if these.contains(&waiter) => due = due.min(now + after),
                        Whom::Some { deputy: Some(other), .. } if other != waiter => spares.heard(lane, now),
                        Whom::Some { deputy: is_deputy, .. } => {
                            due = due.min(now + SPARE);
                            if is_deputy.is_some() {
                                deputy.insert(format!("{}|{}", lane.queue, lane.name));
                            }
                        }
                    }
                    // A timer is up to two milliseconds late, even for a time that has passed.
                    if due <= now {
                        return true;
                    }
                }
                Ok(Ok(Wake::Seen { lane, after })) => {
                    let now = Instant::now();
                    spares.seen(&lane, now);
                    due = after.map_or(due, |after| due.min(now + after));
                }
                // The listening task has ended with its runtime, or between two waiters.
                Ok(Err(RecvError::Closed)) => return false,
            }
        }
    }
}

/// The lanes in which a standby polls for a waiter that was not named, and when the waiter would
/// poll itself.
#[derive(Default, Debug)]
struct Spares {
    lanes: Vec<Spare>,
}

#[derive(Debug)]
struct Spare {
    lane: Lane,
    due: Instant,
    /// When the last wake-up came.
    heard: Instant,
}

impl Spares {
    fn first(&self) -> Option<Instant> {
        self.lanes.iter().map(|spare| spare.due).min()
    }

    fn heard(&mut self, lane: Lane, now: Instant) {
        match self.lanes.iter_mut().find(|spare| spare.lane == lane) {
            Some(spare) => spare.heard = now,
            None => self.lanes.push(Spare { lane, due: now + DEPUTY_LOST, heard: now }),
        }
    }

    /// The standby may have missed the latest wake-ups.
    fn seen(&mut self, lane: &Lane, now: Instant) {
        self.lanes.retain(|spare| spare.lane != *lane || spare.heard + SPARE / 2 > now);
    }
}

fn wants(request: &LeaseRequest, lane: &Lane) -> bool {
    request.names.iter().any(|known| known.name.as_str() == &*lane.name)
        && request.queues.iter().any(|asked| asked.as_str() == &*lane.queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str) -> Lane {
        Lane { queue: "fast".into(), name: name.into() }
    }

    #[test]
    fn a_wake_up_is_read_and_what_is_none_wakes_anybody() {
        let Wake::Lane { lane: read_lane, after, whom } = read("fast|scan|1500") else { panic!("it names a lane") };
        assert_eq!((read_lane, after, whom), (lane("scan"), Duration::from_micros(1_500), Whom::All));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let these: Arc<[_]> = [one, other].into();
        for (payload, deputy) in [("", None), ("|00000000-0000-0000-0000-000000000003", Some(Uuid::from_u128(3)))] {
            let read = read(&format!("fast|scan|0|{one},{other}{payload}"));
            let Wake::Lane { whom, .. } = read else { panic!("it names a lane: {read:?}") };
            assert_eq!(whom, Whom::Some { these: these.clone(), deputy });
        }
        for (payload, expected) in [("", None), ("7", Some(Duration::from_micros(7)))] {
            let Wake::Seen { lane: seen, after } = read(&format!("fast|scan|{payload}|seen")) else {
                panic!("it is seen")
            };
            assert_eq!((seen, after), (lane("scan"), expected));
        }
        for payload in ["*", "", "a|b", "a|b|soon", "a|b|-1", "a|b|0|", "a|b|0|me", "a|b||me", "a|b|soon|seen"] {
            assert!(matches!(read(payload), Wake::Any), "{payload}");
        }
        assert!(matches!(read(&format!("a|b|0|{one}|me")), Wake::Any));
    }

    #[test]
    fn what_a_deputy_saw_nobody_else_looks_for() {
        let (mut spares, start) = (Spares::default(), Instant::now());
        spares.heard(lane("scan"), start);
        spares.heard(lane("move"), start + SPARE);
        assert_eq!(spares.first(), Some(start + DEPUTY_LOST));
        spares.seen(&lane("scan"), start + SPARE);
        assert_eq!(spares.first(), Some(start + SPARE + DEPUTY_LOST));
        // Another one came just now; it does not delay the first.
        spares.heard(lane("move"), start + SPARE * 2);
        spares.seen(&lane("move"), start + SPARE * 2);
        assert_eq!(spares.first(), Some(start + SPARE + DEPUTY_LOST));
        spares.seen(&lane("move"), start + SPARE * 3);
        assert_eq!(spares.first(), None);
    }
}
