//! The gate before leasing: shut while a lease could not be renewed, or its outcome not settled.
//!
//! A server without a free connection for one of them would let each task run again and again,
//! without end. So a worker leases nothing before both have been answered; and after one of them
//! failed, not before it is answered again.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::health::{Loop, News};
use crate::Error;

/// The two things a worker must be able to do with a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Renewing,
    Settling,
}

impl Way {
    const ALL: [Self; 2] = [Self::Renewing, Self::Settling];

    /// The way that this loop uses.
    fn of(which: Loop) -> Option<Self> {
        match which {
            Loop::Heartbeat => Some(Self::Renewing),
            Loop::Settle => Some(Self::Settling),
            Loop::Fetch | Loop::Periodic | Loop::Watchdog | Loop::Companion => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Renewing => "renewing leases",
            Self::Settling => "settling tasks",
        }
    }
}

/// Why nothing is leased.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shut {
    pub(super) what: &'static str,
    pub(super) silent: Duration,
    pub(super) error: Option<String>,
}

#[derive(Debug)]
pub(super) struct Gate {
    /// How long a way may be shut before it is an alarm. A way that fails before it has ever worked
    /// raises one at once.
    patience: Duration,
    ways: watch::Sender<[State; 2]>,
    /// Asks the heartbeat's thread to renew now, even without leases: the connection belongs to
    /// that thread.
    renew: Notify,
}

#[derive(Clone, Debug)]
struct State {
    /// Since when it has failed; `None` if its latest call was answered.
    shut_since: Option<Instant>,
    has_worked: bool,
    error: Option<String>,
}

impl Gate {
    pub(super) fn new(patience: Duration) -> Self {
        let state = || State { shut_since: Some(Instant::now()), has_worked: false, error: None };
        Self { patience, ways: watch::Sender::new([state(), state()]), renew: Notify::new() }
    }

    /// How long an ack may go unanswered before leasing stops.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// A call was answered.
    pub(super) fn works(&self, way: Way) {
        self.ways.send_if_modified(|ways| {
            let state = &mut ways[way as usize];
            let was_shut = state.shut_since.take().is_some();
            (state.has_worked, state.error) = (true, None);
            was_shut
        });
    }

    /// A call failed, or has gone unanswered for too long. Returns whether it had not failed like
    /// that since it last worked.
    pub(super) fn failed(&self, way: Way, error: &Error) -> News {
        let mut news = News::No;
        self.ways.send_modify(|ways| {
            let state = &mut ways[way as usize];
            state.shut_since.get_or_insert_with(Instant::now);
            news = News::of(&mut state.error, error);
        });
        news
    }

    /// A loop ended unexpectedly: its way may not work.
    pub(super) fn loop_ended(&self, which: Loop, error: &Error) {
        if let Some(way) = Way::of(which) {
            self.failed(way, error);
        }
    }

    /// Whether an answer is needed before anything may be leased.
    pub(super) fn is_shut(&self, way: Way) -> bool {
        self.ways.borrow()[way as usize].shut_since.is_some()
    }

    pub(super) fn is_open(&self) -> bool {
        !Way::ALL.into_iter().any(|way| self.is_shut(way))
    }

    /// Waits until both ways work.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub(super) async fn opened(&self) {
        let is_open = |ways: &[State; 2]| ways.iter().all(|state| state.shut_since.is_none());
        // It cannot fail: the sender is ours.
        let _ = self.ways.subscribe().wait_for(is_open).await;
    }

    /// Has the heartbeat's thread renew now.
    pub(super) fn ask_for_a_renewal(&self) {
        self.renew.notify_one();
    }

    /// Waits until a renewal is asked for.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time: the request is kept.
    pub(super) async fn asked_for_a_renewal(&self) {
        self.renew.notified().await;
    }

    /// The conditions that a person should look at.
    pub(super) fn alarms(&self) -> Vec<Shut> {
        let ways = self.ways.borrow();
        let shut = Way::ALL.into_iter().filter_map(|way| {
            let state = &ways[way as usize];
            let silent = state.shut_since?.elapsed();
            let at_once = !state.has_worked && state.error.is_some();
            let shut = Shut { what: way.name(), silent, error: state.error.clone() };
            (at_once || silent > self.patience).then_some(shut)
        });
        shut.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn error() -> Error {
        Error::new(ErrorKind::Unavailable, "renew leases", "no free connection")
    }

    #[tokio::test]
    async fn it_opens_when_both_ways_work_and_shuts_when_one_fails() {
        let gate = Gate::new(Duration::from_secs(2));
        gate.works(Way::Settling);
        assert!(!gate.is_open() && gate.alarms().is_empty());
        gate.failed(Way::Renewing, &error());
        let alarms = gate.alarms();
        assert_eq!((alarms.len(), alarms[0].what), (1, "renewing leases"));
        assert!(alarms[0].error.as_ref().unwrap().contains("no free connection"));
        tokio::join!(gate.opened(), async { gate.works(Way::Renewing) });
        // A way that has worked gets a little time before it is an alarm; but nothing is leased.
        gate.failed(Way::Settling, &error());
        assert!(!gate.is_open() && gate.alarms().is_empty());
    }
}
