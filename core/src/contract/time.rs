//! The store's time. A worker's own clock decides nothing and never appears here. See
//! `docs/decisions/0020-docket-time.md`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::contract::{Error, Finding, Result, Severity, limits};

/// A time of the store's clock, in whole microseconds since the Unix epoch. Never a float.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time `delay` later, rounded up to a microsecond; at most [`limits::DELAY_MAX`] later.
    pub fn plus(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(micros(delay)))
    }

    /// How long after `earlier` this is; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Timestamp {
    /// This time of the server's clock in the docket's time, which is ahead of that clock by
    /// `offset`.
    #[must_use]
    pub fn ahead_by(self, offset: Duration) -> Self {
        Self(self.0.saturating_add(whole(offset)))
    }

    /// This time of the docket in the server's clock, which is behind it by `offset`.
    #[must_use]
    pub fn behind_by(self, offset: Duration) -> Self {
        Self(self.0.saturating_sub(whole(offset)))
    }
}

/// A docket's time relative to its server's clock.
///
/// The docket's time never goes back: if the server's clock is set back, the step is added to the
/// offset, so that leases and delays run on. Every [`Timestamp`] passed to a store or returned by
/// it uses the server's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Clock {
    /// How far the docket's time is ahead of the server's clock, since an operator last settled it.
    pub offset: Duration,
    /// How often the server's clock went back by a second or more.
    pub steps: u64,
}

impl Clock {
    /// From this offset on a person must check the server's clock.
    pub const OFFSET_ALARM: Duration = Duration::from_secs(5);

    /// Whether a person must check it.
    pub fn is_off(self) -> bool {
        self.offset > Self::OFFSET_ALARM
    }

    /// The finding of [`crate::Inspect::examine`] about it.
    pub fn finding(self) -> Finding {
        let subject = "clock".to_owned();
        if !self.is_off() {
            let found = "the docket's time is the server's clock".to_owned();
            return Finding { severity: Severity::Ok, subject, found, advice: String::new() };
        }
        let offset =
            display_duration(Duration::from_millis(u64::try_from(self.offset.as_millis()).unwrap_or(u64::MAX)));
        Finding {
            severity: Severity::Warning,
            subject,
            found: format!("the server's clock was set back; the docket's time is {offset} ahead of it"),
            advice:
                "leases and delays are not affected; make sure that the server's clock is right and stays so (NTP), \
                     then run `docket clock settle`"
                    .to_owned(),
        }
    }
}

impl From<SystemTime> for Timestamp {
    /// Whole microseconds; a time that these cannot hold becomes the nearest that they can.
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Self(i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(Timestamp(micros): Timestamp) -> Self {
        let distance = Duration::from_micros(micros.unsigned_abs());
        if micros < 0 { Self::UNIX_EPOCH - distance } else { Self::UNIX_EPOCH + distance }
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self(time.as_microsecond())
    }
}

impl TryFrom<Timestamp> for jiff::Timestamp {
    type Error = Error;

    /// Refuses a time beyond the year 9999, or as long ago.
    fn try_from(time: Timestamp) -> Result<Self> {
        Self::from_microsecond(time.0).map_err(|error| Error::invalid("convert a time", error.to_string()))
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339, e.g. `2030-01-31T12:00:00Z`.
    fn from_str(text: &str) -> Result<Self> {
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|_| Error::invalid_value("time", text, "expected a form like 2030-01-31T12:00:00Z"))?;
        Ok(time.into())
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

/// An offset in microseconds. Unlike a delay it has no limit: a clock may be ahead by a century.
fn whole(offset: Duration) -> i64 {
    i64::try_from(offset.as_micros()).unwrap_or(i64::MAX)
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
    /// This long after the store took it. Sent as a duration, so that only the store's clock
    /// matters.
    In(Duration),
    /// At this time of the store's clock; a time that has passed means now.
    At(Timestamp),
}

impl RunAt {
    /// The `visible_at` that this means at the store's time `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::In(delay) => now.plus(delay),
            Self::At(moment) => moment.max(now),
        }
    }

    /// The same in the docket's time, which is ahead of the server's clock by `offset`: a time is
    /// translated, a delay stays.
    #[must_use]
    pub fn ahead_by(self, offset: Duration) -> Self {
        match self {
            Self::At(moment) => Self::At(moment.ahead_by(offset)),
            relative => relative,
        }
    }

    /// Whether a delay is longer than [`limits::DELAY_MAX`]. For a time only the store can tell:
    /// [`RunAt::is_too_far_from`].
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
        // Its own message repeats the text, which may be anything.
        .map_err(|_| Error::invalid_value("duration", text, "expected a form like 2s, 250ms or 5m"))?;
    Duration::try_from(span).map_err(|_| Error::invalid_value("duration", text, "it is negative"))
}

/// Writes a duration as [`parse_duration`] reads it: in whole milliseconds, or below one in whole
/// microseconds, since nobody needs more digits.
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
    fn a_time_converts_from_and_to_those_of_others() {
        for text in ["2030-01-31T12:00:00.000001Z", "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z"] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(Timestamp::from(SystemTime::from(time)), time);
            assert_eq!(Timestamp::from(jiff::Timestamp::try_from(time).unwrap()), time);
        }
        let error = "tomorrow".parse::<Timestamp>().unwrap_err().to_string();
        assert!(error.contains("tomorrow") && error.contains("2030-01-31T12:00:00Z"), "{error}");
        assert!(jiff::Timestamp::try_from(Timestamp::from_micros(i64::MAX)).is_err());
        let _: (SystemTime, SystemTime) = (Timestamp(i64::MIN).into(), Timestamp(i64::MAX).into());
    }

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
    fn an_offset_that_matters_is_a_warning_with_advice() {
        let clock = |seconds| Clock { offset: Duration::from_secs(seconds), steps: 1 };
        assert_eq!(clock(5).finding().severity, Severity::Ok);
        let finding = clock(300).finding();
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.found.contains("5m") && finding.advice.contains("docket clock settle"), "{finding:?}");
    }

    #[test]
    fn a_moment_that_has_passed_means_now() {
        let now = Timestamp::from_micros(1_000);
        assert_eq!(RunAt::At(Timestamp::from_micros(5)).resolve(now), now);
    }
}
