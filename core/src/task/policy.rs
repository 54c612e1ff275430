//! How to run a task type. The policy belongs to the code, so a deploy changes it for tasks that
//! already wait.

use std::time::Duration;

use crate::{Error, Queue, Result, display_duration, limits};

/// The policy of a task type: limits, waits, queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The most runs that may end with an error before the task is dead. At least 1.
    pub max_attempts: u32,
    /// The most leases that may expire unsettled (a worker died) before the task is dead. At least
    /// 1.
    pub max_crashes: u32,
    /// The wait before the next attempt.
    pub backoff: Backoff,
    /// How long one run may take; then it is cancelled and counts as a failed attempt.
    pub timeout: Duration,
    /// The queue of its tasks unless the caller names one.
    pub queue: Queue,
    /// How long a finished task and its result are kept. It does not make a key unique: a key that is added again after
    /// its task has finished starts a new task.
    pub retention: Duration,
    /// Set for a periodic task: the time from the start of one run to the start of the next.
    pub every: Option<Duration>,
}

impl Default for Policy {
    /// Five attempts over two and a half minutes on average, five crashes, ten minutes a run, the default queue.
    fn default() -> Self {
        Self {
            max_attempts: 5,
            max_crashes: limits::CRASHES_MAX,
            backoff: Backoff::default(),
            timeout: Duration::from_secs(10 * 60),
            queue: Queue::default(),
            retention: limits::RETENTION,
            every: None,
        }
    }
}

impl Policy {
    /// Refuses a policy that cannot work, with the reason.
    pub fn check(&self, name: &str) -> Result<()> {
        let wrong = if self.max_attempts == 0 {
            "max_attempts is 0, so it would never run; use 1 for a single attempt"
        } else if self.max_crashes == 0 {
            "max_crashes is 0, so it would never run; use 1 to give up after the first crash"
        } else if self.timeout.is_zero() {
            "timeout is zero, so every run would fail; zero never means infinite here"
        } else if self.every.is_some_and(|every| every < EVERY_MIN) {
            "every is below 1s; a loop that tight belongs inside one task"
        } else if self.backoff.base > self.backoff.max {
            "backoff.base is longer than backoff.max"
        } else {
            return self.check_times(name);
        };
        Err(Error::config(format!("register {name}"), wrong))
    }
}

impl Policy {
    /// Refuses times that no store accepts.
    fn check_times(&self, name: &str) -> Result<()> {
        let times = [
            ("every", self.every.unwrap_or_default()),
            ("backoff.max", self.backoff.max),
            ("retention", self.retention),
        ];
        match times.into_iter().find(|(_, time)| *time > limits::DELAY_MAX) {
            Some((what, time)) => {
                let (time, max) = (display_duration(time), display_duration(limits::DELAY_MAX));
                let wrong = format!("{what} is {time}, and the longest time is {max} (limits::DELAY_MAX)");
                Err(Error::config(format!("register {name}"), wrong))
            }
            None => Ok(()),
        }
    }
}

/// The shortest interval of a periodic task.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// Exponential backoff with full jitter: a random wait between zero and the doubled bound, so that
/// tasks that failed together do not retry together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The bound after the first failure.
    pub base: Duration,
    /// The bound is never larger than this.
    pub max: Duration,
}

impl Default for Backoff {
    /// Bounds of 20 s, 40 s, 80 s and so on, at most ten minutes: the average wait is half of the
    /// bound.
    fn default() -> Self {
        Self { base: Duration::from_secs(20), max: Duration::from_secs(10 * 60) }
    }
}

impl Backoff {
    /// The longest wait after `failures` failed runs (at least one).
    pub fn bound(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.max)
    }

    /// A wait after `failures` failed runs, drawn between zero and [`Backoff::bound`].
    pub fn wait(self, failures: u32) -> Duration {
        self.bound(failures).mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_maximum() {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(10) };
        let bounds: Vec<u64> = [1, 2, 3, 4, 5, 40, u32::MAX].map(|n| backoff.bound(n).as_secs()).to_vec();
        assert_eq!(bounds, [1, 2, 4, 8, 10, 10, 10]);
    }

    #[test]
    fn a_wait_is_drawn_from_the_whole_range() {
        let backoff = Backoff { base: Duration::from_secs(8), max: Duration::from_secs(8) };
        let waits: Vec<Duration> = (0..200).map(|_| backoff.wait(1)).collect();
        assert!(waits.iter().all(|w| *w <= Duration::from_secs(8)));
        assert!(waits.iter().any(|w| *w < Duration::from_secs(2)) && waits.iter().any(|w| *w > Duration::from_secs(6)));
    }

    /// "Five attempts over some minutes" used to be 8 s on average: over before a restarting
    /// service is back.
    #[test]
    fn the_default_attempts_take_some_minutes() {
        let Policy { max_attempts, backoff, .. } = Policy::default();
        // Drawn evenly between zero and its bound, the average wait is half of the bound.
        let mean: Duration = (1..max_attempts).map(|failures| backoff.bound(failures) / 2).sum();
        assert_eq!(mean, Duration::from_secs(150));
    }

    #[test]
    fn a_time_that_no_store_takes_is_refused() {
        let beyond = limits::DELAY_MAX + Duration::from_secs(1);
        let sound = Policy { backoff: Backoff { max: limits::DELAY_MAX, ..Backoff::default() }, ..Policy::default() };
        sound.check("x").unwrap();
        for (policy, what) in [
            (Policy { every: Some(beyond), ..Policy::default() }, "every"),
            (Policy { retention: beyond, ..Policy::default() }, "retention"),
            (Policy { backoff: Backoff { max: beyond, ..Backoff::default() }, ..Policy::default() }, "backoff.max"),
        ] {
            let error = policy.check("x").unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("DELAY_MAX"), "{error}");
        }
    }

    #[test]
    fn zero_is_refused_not_taken_for_infinite() {
        let error = Policy { timeout: Duration::ZERO, ..Policy::default() }.check("x").unwrap_err();
        assert!(error.to_string().contains("zero never means infinite"));
    }
}
