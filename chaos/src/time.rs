//! The one clock of a run: the machine's monotonic clock, the same for all its processes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Microseconds of the machine's monotonic clock.
pub type Micros = u64;

/// Now.
pub fn now() -> Micros {
    let now = clock_gettime(ClockId::Monotonic);
    // The clock counts from the machine's boot, so neither part is ever negative.
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// A duration in microseconds.
pub fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
