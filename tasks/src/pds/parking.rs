//! Failed writes to a PDS, as ends of a run.
//!
//! A user who is logged out comes back: the work is parked, that is, tried again with long waits, which grow with the
//! attempt. All attempts together park it for about a day; then it is dead and says why. A login wakes it before that
//! ([`crate::wake_did`]), with all its attempts ahead of it. It is a `RetryAfter` and not a `Snooze`, since only an
//! attempt is counted, and so bounded, and keeps its reason for operators.

use std::time::Duration;

use docket_core::{Backoff, Context, Failure};

use crate::PdsError;

/// The first wait of parked work.
const PARKED_MIN: Duration = Duration::from_mins(15);
/// The longest.
const PARKED_MAX: Duration = Duration::from_hours(4);

/// Attempts of a write to a PDS.
pub(crate) const ATTEMPTS_MAX: u32 = 10;

/// Between failed attempts: all ten take about a day at most.
pub(crate) const fn backoff() -> Backoff {
    Backoff { base: Duration::from_mins(3), max: Duration::from_hours(12) }
}

/// How a run ends that could not write.
pub(crate) fn failure(error: PdsError, ctx: &Context) -> Failure {
    match error {
        PdsError::LoggedOut(_) => Failure::retry_after(parked(ctx.attempt()), error.to_string()),
        error => error.into_failure(),
    }
}

fn parked(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    PARKED_MIN.saturating_mul(1 << doublings).min(PARKED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stays_logged_out_is_waited_for_about_a_day() {
        let waits: Vec<Duration> = (1..ATTEMPTS_MAX).map(parked).collect();
        assert!(waits.is_sorted());
        let hours = waits.iter().sum::<Duration>().as_secs() / 3_600;
        assert_eq!(hours, 23);
        assert_eq!(parked(u32::MAX), PARKED_MAX);
    }

    #[test]
    fn so_is_a_pds_that_stays_away() {
        let hours = (1..ATTEMPTS_MAX).map(|attempt| backoff().bound(attempt)).sum::<Duration>().as_secs() / 3_600;
        assert_eq!(hours, 24);
    }
}
