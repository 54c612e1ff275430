//! The store's time. A worker's own clock decides nothing; it never appears here.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::shown::quoted;
use crate::{Error, Result, limits};

/// A moment of the store's clock, in whole microseconds since the Unix epoch. Never a float.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment `delay` later, rounded up to a microsecond; at most [`limits::DELAY_MAX`] later.
    pub fn plus(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(micros(delay)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => fmt::Display::fmt(&moment, f),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// `delay` in whole microseconds, rounded up so that nothing is ever early, and at most [`limits::DELAY_MAX`].
pub fn micros(delay: Duration) -> i64 {
    let nanos = delay.min(limits::DELAY_MAX).as_nanos();
    i64::try_from(nanos.div_ceil(1_000)).unwrap_or(i64::MAX)
}

/// When a task may first be leased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RunAt {
    /// As soon as a worker is free.
    #[default]
    Now,
    /// This long after the store took it. Sent as a duration, so that no clock but the store's matters.
    In(Duration),
    /// At this moment of the store's clock; one that has passed means now.
    At(Timestamp),
}

impl RunAt {
    /// The `visible_at` this means at the store's time `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::In(delay) => now.plus(delay),
            Self::At(moment) => moment.max(now),
        }
    }

    /// Whether a delay is longer than [`limits::DELAY_MAX`]. Of a moment only the store knows: [`RunAt::is_too_far_from`].
    pub fn is_too_long(self) -> bool {
        matches!(self, Self::In(delay) if delay > limits::DELAY_MAX)
    }

    /// Whether this is further away than [`limits::DELAY_MAX`] at the store's time `now`: every store refuses it.
    pub fn is_too_far_from(self, now: Timestamp) -> bool {
        self.is_too_long() || matches!(self, Self::At(moment) if moment > now.plus(limits::DELAY_MAX))
    }
}

/// Reads a duration as people write it: `2s`, `250ms`, `5m`, `1h30m`.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let span: jiff::SignedDuration = jiff::fmt::friendly::SpanParser::new()
        .parse_duration(text.trim())
        // Its own words repeat the text, which may be anything.
        .map_err(|_| {
            Error::invalid("read a duration", format!("{} is no duration like 2s, 250ms or 5m", quoted(text)))
        })?;
    Duration::try_from(span)
        .map_err(|_| Error::invalid("read a duration", format!("{} is negative; a duration is not", quoted(text))))
}

/// Writes a duration the way [`parse_duration`] reads it: whole milliseconds, or whole microseconds of less than one, since
/// nobody looks at more.
pub fn display_duration(duration: Duration) -> String {
    let unit = if duration < Duration::from_millis(1) { 1_000 } else { 1_000_000 };
    let duration = duration.saturating_sub(Duration::from_nanos(u64::from(duration.subsec_nanos() % unit)));
    let span = jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX);
    jiff::fmt::friendly::SpanPrinter::new().spacing(jiff::fmt::friendly::Spacing::None).duration_to_string(&span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in [("2s", 2_000), ("250ms", 250), ("5m", 300_000), ("1h30m", 5_400_000), ("0s", 0)] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "2", "fast", "-3s"] {
            assert!(parse_duration(text).unwrap_err().to_string().contains("duration"), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_people_read_them() {
        for (nanos, text) in [
            (9_432_088, "9ms"),
            (42_999, "42µs"),
            (0, "0s"),
            (2_000_000_000, "2s"),
            (5_400_000_000_000, "1h30m"),
            (1_500_000_001, "1s500ms"),
        ] {
            assert_eq!(display_duration(Duration::from_nanos(nanos)), text);
        }
        assert_eq!(parse_duration("1s500ms").unwrap(), Duration::from_millis(1_500));
    }

    #[test]
    fn a_delay_is_never_rounded_down() {
        assert_eq!(micros(Duration::from_nanos(1)), 1);
        assert_eq!(micros(Duration::from_nanos(1_001)), 2);
    }

    #[test]
    fn a_moment_that_has_passed_means_now() {
        let now = Timestamp::from_micros(1_000);
        assert_eq!(RunAt::At(Timestamp::from_micros(5)).resolve(now), now);
    }
}
