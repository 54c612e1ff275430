//! The docket's time: tokio's clock, from the wall clock's reading when the docket was made.

use std::time::{Duration, SystemTime};

use docket_core::Timestamp;
use tokio::time::Instant;

/// A clock that never goes back.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Timestamp,
    started: Instant,
    /// The latest answer. A runtime with a paused clock and one without may share a docket, so the
    /// clock must not go back between them.
    seen: Timestamp,
    /// The override of the wall clock, for tests.
    set: Option<Timestamp>,
    /// How far the docket's time is ahead of that. The clock that is not set never goes back.
    ahead: Duration,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "read once: the wall clock only says where the docket's time begins")]
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let epoch = Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX));
        Self { epoch, started: Instant::now(), seen: epoch, set: None, ahead: Duration::ZERO }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        if let Some(set) = self.set {
            return set.ahead_by(self.ahead);
        }
        // Rounded down: a docket's time is never later than the time that has passed.
        let micros = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = Timestamp::from_micros(self.epoch.as_micros().saturating_add(micros));
        self.seen = self.seen.max(now);
        self.seen
    }

    /// Whether it is stopped until it is set again.
    pub(crate) fn is_set(&self) -> bool {
        self.set.is_some()
    }

    /// Sets the wall clock; returns the size of the step back, if it was one.
    #[cfg(feature = "testing")]
    pub(crate) fn set(&mut self, now: Timestamp) -> Duration {
        let step = self.set.map_or(Duration::ZERO, |before| before.since(now));
        self.set = Some(now);
        self.ahead += step;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_tokio_to_the_microsecond_and_never_goes_back() {
        let mut clock = Clock::start();
        let start = clock.now();
        tokio::time::advance(Duration::from_nanos(2_999)).await;
        assert_eq!(clock.now().since(start), Duration::from_micros(2));
        // Another runtime's clock is behind this paused one.
        tokio::time::advance(Duration::from_secs(100)).await;
        let ahead = clock.now();
        let behind = std::thread::spawn(move || (clock.now(), clock)).join().unwrap().0;
        assert_eq!(behind, ahead);
    }
}
