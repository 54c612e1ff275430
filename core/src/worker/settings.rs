//! Settings that depend on each other are derived, not set twice; a setting that cannot work is
//! refused with the reason.

use std::time::Duration;

use crate::{Error, Queue, Result, display_duration, limits, parse_duration};

/// How a worker behaves. Every heartbeat interval is safe: it only determines how soon a lost
/// worker is noticed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The most tasks that run at the same time. `DOCKET_WORKER_CONCURRENCY`, default 10, 1 to
    /// 1,000.
    pub concurrency: usize,
    /// The most tasks to prefetch, for a worker whose tasks are short: at most as many as it has
    /// recently started in 20 ms (in four lease calls if these take longer, at most 80 ms). A
    /// prefetched task that has not started after 100 ms is given back. `DOCKET_WORKER_AHEAD_MAX`,
    /// default 500, at most 1,000; 0 turns it off.
    pub max_ahead: usize,
    /// See [`Timing`]. `DOCKET_WORKER_HEARTBEAT_INTERVAL`, default 2s.
    pub heartbeat_interval: Duration,
    /// See [`Timing`]. `DOCKET_WORKER_MISSED_HEARTBEATS`, default 5.
    pub missed_heartbeats: u32,
    /// The longest wait without a wake-up: how late work is noticed at most when a wake-up is lost.
    /// `DOCKET_WORKER_MINIMUM_CHECK_INTERVAL`, default 15s, 10ms to 5m.
    pub check_interval: Duration,
    /// The queues to serve, in order of precedence, at most [`limits::LEASE_NAMES_MAX`]. `DOCKET_WORKER_QUEUES`,
    /// comma-separated; empty means those of the registered tasks, and `default`.
    pub queues: Vec<Queue>,
    /// Serve the queues strictly in order, so that a busy queue can starve the next. Otherwise
    /// every eighth lease call takes the earliest task of all. `DOCKET_WORKER_STRICT_ORDER`,
    /// default false.
    pub order: QueueOrder,
    /// How long a shutdown waits for running tasks. `DOCKET_WORKER_SHUTDOWN_GRACE`, default 3s:
    /// less than platforms usually wait before they kill.
    pub grace: Duration,
    /// How long a handler may go on after its cancellation fired before it is dropped. Default
    /// 500ms.
    pub cancel_grace: Duration,
    /// How long blocking code may go on after its run has ended (by a timeout, a cancel, a lost
    /// lease) before its slot and its lease are given up, with an alarm.
    /// `DOCKET_WORKER_BLOCKING_MAX`, default 10m, 1s to 1d.
    pub max_blocking: Duration,
    /// How long a probe on the handlers' runtime may go unanswered before renewals stop.
    /// `DOCKET_WORKER_WEDGED_AFTER`, default 60s.
    pub wedged_after: Duration,
    /// The age of ready work of this worker's names that raises an alarm. Work that no lease call
    /// would show is searched for every 30 s, or as often as this if that is shorter.
    /// `DOCKET_WORKER_OLDEST_READY_ALARM`, default 60s.
    pub oldest_ready_alarm: Duration,
    /// How long a task waits for a build that can decode its args before it is dead. In a rolling
    /// deploy workers of two builds share a docket, and one may decode args that the other cannot.
    /// `DOCKET_WORKER_UNDECODABLE_FOR`, default 1h, 1s to 7d.
    pub undecodable_for: Duration,
    /// A worker joins only a docket of the same environment. `DOCKET_ENVIRONMENT`, unset by default.
    pub environment: Option<String>,
}

/// Whether a busy queue can starve the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QueueOrder {
    /// In order, but every eighth lease call takes the earliest task of all.
    #[default]
    Fair,
    /// Strictly in order.
    Strict,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 10,
            max_ahead: 500,
            heartbeat_interval: Duration::from_secs(2),
            missed_heartbeats: 5,
            check_interval: Duration::from_secs(15),
            queues: Vec::new(),
            order: QueueOrder::Fair,
            grace: Duration::from_secs(3),
            cancel_grace: Duration::from_millis(500),
            max_blocking: Duration::from_secs(10 * 60),
            wedged_after: Duration::from_secs(60),
            oldest_ready_alarm: Duration::from_secs(60),
            undecodable_for: Duration::from_secs(3_600),
            environment: None,
        }
    }
}

/// Derived from the heartbeat settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// `heartbeat_interval × missed_heartbeats`, between [`limits::LEASE_MIN`] and [`limits::LEASE_MAX`].
    pub lease: Duration,
    /// The time between renewals: the heartbeat interval, at most a quarter of the lease.
    pub renewal: Duration,
}

impl Settings {
    /// Reads the environment variables named on the fields.
    pub fn from_env() -> Result<Self> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// Reads the same variables from `lookup`. An empty value counts as unset.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let vars = Vars(lookup);
        let default = Self::default();
        // Accepted so that an existing deployment starts, and ignored: due times are exact anyway.
        vars.duration("DOCKET_WORKER_SCHEDULING_RESOLUTION", Duration::ZERO)?;
        let settings = Self {
            concurrency: vars.parsed("DOCKET_WORKER_CONCURRENCY", default.concurrency)?,
            max_ahead: vars.parsed("DOCKET_WORKER_AHEAD_MAX", default.max_ahead)?,
            heartbeat_interval: vars.duration("DOCKET_WORKER_HEARTBEAT_INTERVAL", default.heartbeat_interval)?,
            missed_heartbeats: vars.parsed("DOCKET_WORKER_MISSED_HEARTBEATS", default.missed_heartbeats)?,
            check_interval: vars.duration("DOCKET_WORKER_MINIMUM_CHECK_INTERVAL", default.check_interval)?,
            queues: vars.queues("DOCKET_WORKER_QUEUES")?,
            order: if vars.parsed("DOCKET_WORKER_STRICT_ORDER", false)? {
                QueueOrder::Strict
            } else {
                QueueOrder::Fair
            },
            grace: vars.duration("DOCKET_WORKER_SHUTDOWN_GRACE", default.grace)?,
            cancel_grace: default.cancel_grace,
            max_blocking: vars.duration("DOCKET_WORKER_BLOCKING_MAX", default.max_blocking)?,
            wedged_after: vars.duration("DOCKET_WORKER_WEDGED_AFTER", default.wedged_after)?,
            oldest_ready_alarm: vars.duration("DOCKET_WORKER_OLDEST_READY_ALARM", default.oldest_ready_alarm)?,
            undecodable_for: vars.duration("DOCKET_WORKER_UNDECODABLE_FOR", default.undecodable_for)?,
            environment: vars.text("DOCKET_ENVIRONMENT"),
        };
        settings.timing()?;
        Ok(settings)
    }

    /// Refuses settings that cannot work; derives the rest.
    pub fn timing(&self) -> Result<Timing> {
        let refuse = |setting: &str, why: String| Err(Error::config("build the worker", format!("{setting} {why}")));
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            return refuse("concurrency", format!("is {}; it must be 1 to {CONCURRENCY_MAX}", self.concurrency));
        }
        if self.max_ahead > limits::BATCH_ITEMS_MAX {
            let max = limits::BATCH_ITEMS_MAX;
            return refuse("max_ahead", format!("is {}; it must be 0 to {max}", self.max_ahead));
        }
        if self.queues.len() > limits::LEASE_NAMES_MAX {
            let max = limits::LEASE_NAMES_MAX;
            return refuse("queues", format!("names {}; one worker serves at most {max}", self.queues.len()));
        }
        if self.heartbeat_interval.is_zero() {
            return refuse("heartbeat_interval", "is zero; zero never means infinite, the default is 2s".to_owned());
        }
        if self.missed_heartbeats == 0 {
            return refuse(
                "missed_heartbeats",
                "is 0, so every lease would be lost at once; the default is 5".to_owned(),
            );
        }
        if !(CHECK_INTERVAL_MIN..=CHECK_INTERVAL_MAX).contains(&self.check_interval) {
            let found = display_duration(self.check_interval);
            return refuse("check_interval", format!("is {found}; it must be 10ms to 5m, the default is 15s"));
        }
        if !(BLOCKING_MAX_MIN..=BLOCKING_MAX_MAX).contains(&self.max_blocking) {
            let found = display_duration(self.max_blocking);
            return refuse("max_blocking", format!("is {found}; it must be 1s to 1d, the default is 10m"));
        }
        if self.wedged_after < limits::LEASE_MIN {
            let found = display_duration(self.wedged_after);
            return refuse(
                "wedged_after",
                format!("is {found}; below 2.5s a busy runtime would pass for a wedged one"),
            );
        }
        if self.oldest_ready_alarm.is_zero() {
            return refuse("oldest_ready_alarm", "is zero, so it would always sound; the default is 60s".to_owned());
        }
        if !(UNDECODABLE_FOR_MIN..=UNDECODABLE_FOR_MAX).contains(&self.undecodable_for) {
            let found = display_duration(self.undecodable_for);
            return refuse("undecodable_for", format!("is {found}; it must be 1s to 7d, the default is 1h"));
        }
        let lease = self.heartbeat_interval.saturating_mul(self.missed_heartbeats);
        let lease = lease.clamp(limits::LEASE_MIN, limits::LEASE_MAX);
        Ok(Timing { lease, renewal: self.heartbeat_interval.min(lease / 4) })
    }
}

const CONCURRENCY_MAX: usize = 1_000;
const BLOCKING_MAX_MIN: Duration = Duration::from_secs(1);
const BLOCKING_MAX_MAX: Duration = Duration::from_secs(24 * 3_600);
const CHECK_INTERVAL_MIN: Duration = Duration::from_millis(10);
const CHECK_INTERVAL_MAX: Duration = Duration::from_secs(5 * 60);
const UNDECODABLE_FOR_MIN: Duration = Duration::from_secs(1);
const UNDECODABLE_FOR_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Environment variables; each error names its variable.
struct Vars<F>(F);

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    fn text(&self, name: &str) -> Option<String> {
        self.0(name).filter(|text| !text.trim().is_empty())
    }

    fn duration(&self, name: &str, default: Duration) -> Result<Duration> {
        let Some(text) = self.text(name) else { return Ok(default) };
        parse_duration(&text).map_err(|e| Error::config(format!("read {name}"), e.to_string()))
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&self, name: &str, default: T) -> Result<T> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.trim()
            .parse()
            .map_err(|e| Error::config(format!("read {name}"), format!("{}: {e}", crate::shown::quoted(&text))))
    }

    fn queues(&self, name: &str) -> Result<Vec<Queue>> {
        let text = self.text(name).unwrap_or_default();
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let queues = names.map(Queue::new).collect::<Result<Vec<_>>>();
        let queues = queues.map_err(|e| Error::config(format!("read {name}"), e.to_string()))?;
        if queues.len() > limits::LEASE_NAMES_MAX {
            let why =
                format!("it names {} queues; one worker serves at most {}", queues.len(), limits::LEASE_NAMES_MAX);
            return Err(Error::config(format!("read {name}"), why));
        }
        Ok(queues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<Settings> {
        Settings::from_vars(|asked| (asked == name).then(|| value.to_owned()))
    }

    fn timing(heartbeat: Duration) -> Timing {
        Settings { heartbeat_interval: heartbeat, ..Settings::default() }.timing().unwrap()
    }

    #[test]
    fn any_heartbeat_interval_gives_a_lease_that_is_renewed_in_time() {
        for millis in [1, 50, 500, 2_000, 30_000, 120_000, 86_400_000] {
            let Timing { lease, renewal } = timing(Duration::from_millis(millis));
            assert!((limits::LEASE_MIN..=limits::LEASE_MAX).contains(&lease), "{millis}ms: {lease:?}");
            assert!(renewal * 4 <= lease, "{millis}ms: {renewal:?} of {lease:?}");
        }
        assert_eq!(timing(Duration::from_secs(2)).lease, Duration::from_secs(10));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_variable_and_the_reason() {
        for (name, value, reason) in [
            ("DOCKET_WORKER_CONCURRENCY", "0", "concurrency is 0"),
            ("DOCKET_WORKER_CONCURRENCY", "many", "DOCKET_WORKER_CONCURRENCY"),
            ("DOCKET_WORKER_HEARTBEAT_INTERVAL", "0s", "zero never means infinite"),
            ("DOCKET_WORKER_HEARTBEAT_INTERVAL", "2", "DOCKET_WORKER_HEARTBEAT_INTERVAL"),
            ("DOCKET_WORKER_MISSED_HEARTBEATS", "0", "missed_heartbeats is 0"),
            ("DOCKET_WORKER_MINIMUM_CHECK_INTERVAL", "1h", "check_interval is"),
            ("DOCKET_WORKER_UNDECODABLE_FOR", "0s", "undecodable_for is"),
            ("DOCKET_WORKER_BLOCKING_MAX", "0s", "max_blocking is 0s; it must be 1s to 1d"),
            ("DOCKET_WORKER_QUEUES", "a,b c", "DOCKET_WORKER_QUEUES"),
        ] {
            let error = with(name, value).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(error.to_string().contains(reason), "{name}={value}: {error}");
        }
    }

    /// 1,001 queues used to be accepted, and then every lease call was refused: nothing ever ran.
    #[test]
    fn more_queues_than_a_lease_may_list_are_refused_where_they_are_named() {
        let queues = |count: usize| (0..count).map(|n| format!("q{n}")).collect::<Vec<_>>();
        let read =
            |count| Settings::from_vars(|name| (name == "DOCKET_WORKER_QUEUES").then(|| queues(count).join(",")));
        assert_eq!(read(limits::LEASE_NAMES_MAX).unwrap().queues.len(), limits::LEASE_NAMES_MAX);
        let error = read(limits::LEASE_NAMES_MAX + 1).unwrap_err().to_string();
        assert!(error.contains("DOCKET_WORKER_QUEUES") && error.contains("at most 1000"), "{error}");
        let named = queues(limits::LEASE_NAMES_MAX + 1).iter().map(Queue::new).collect::<Result<_>>().unwrap();
        let error = Settings { queues: named, ..Settings::default() }.timing().unwrap_err().to_string();
        assert!(error.contains("queues names 1001; one worker serves at most 1000"), "{error}");
    }

    #[test]
    fn the_settings_of_the_system_it_replaces_are_taken() {
        assert!(with("DOCKET_WORKER_SCHEDULING_RESOLUTION", "5s").is_ok());
        assert_eq!(with("DOCKET_WORKER_QUEUES", "fast, slow").unwrap().queues.len(), 2);
    }
}
