//! The docket's time relative to its server's clock. In memory the server is this process, whose
//! clock never goes back except in tests.

use std::time::Duration;

use docket_core::{Clock, Error, ErrorKind, Result};

use super::Table;
use super::lane::Kind;

/// By how much the docket's time is ahead of the server's clock. Times are converted when they come
/// in and when they are returned.
#[derive(Default, Debug)]
pub(super) struct Offset {
    /// The difference.
    pub(super) ahead: Duration,
    pub(super) clock: Clock,
}

impl Table {
    /// The server's clock was set back.
    #[cfg(feature = "testing")]
    pub(crate) fn stepped(&mut self, step: Duration) {
        self.offset.ahead += step;
        self.offset.clock.offset += step;
        self.offset.clock.steps += u64::from(step >= Duration::from_secs(1));
    }

    pub(crate) fn clock(&self) -> Clock {
        self.offset.clock
    }

    /// Sets the reported offset to zero. Repeated: it stays zero.
    pub(crate) fn settle_clock(&mut self) -> Result<Duration> {
        let lines = self.indexes.lanes.iter().flat_map(|(_, lane)| Kind::ALL.map(|kind| lane.lines(kind)));
        if lines.into_iter().any(|lines| lines.leased.first().is_some()) {
            return Err(Error::new(ErrorKind::Conflict, "settle the clock", docket_core::words::LEASED));
        }
        Ok(std::mem::take(&mut self.offset.clock.offset))
    }
}
