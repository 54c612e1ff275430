//! The transitions, as the server runs them.

use std::sync::LazyLock;

use crate::assemble::assemble;

/// A script as it is sent, and its name on the server afterwards.
#[derive(Debug)]
pub(crate) struct Script {
    text: String,
    hash: String,
}

impl Script {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), hash: redis::Script::new(text).get_hash().to_owned() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }
}

/// Declares a script by its own file, and the fast path before it.
macro_rules! script {
    ($(#[$doc:meta])* $name:ident, $file:literal $(, $first:literal)?) => {
        $(#[$doc])*
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            let first = concat!($(include_str!(concat!("../scripts/", $first)))?);
            Script::new(&assemble(first, include_str!(concat!("../scripts/", $file))))
        });
    };
}

script!(
    /// Adds tasks.
    ADD, "add.lua", "add_fresh.lua"
);
script!(
    /// Places or moves tasks.
    SCHEDULE, "schedule.lua"
);
script!(
    /// Leases tasks.
    LEASE, "lease.lua"
);
script!(
    /// Resets the reported offset of the docket's time to zero.
    SETTLE_CLOCK, "settle_clock.lua"
);
script!(
    /// Extends leases.
    HEARTBEAT, "heartbeat.lua"
);
script!(
    /// Settles leases.
    ACK, "ack.lua"
);
script!(
    /// Ends a task, or marks it.
    CANCEL, "cancel.lua"
);
script!(
    /// Starts a dead task again.
    REQUEUE, "requeue.lua"
);
script!(
    /// Exports tasks, for a move.
    TAKE_OUT, "relocate_out.lua"
);
script!(
    /// Accepts parcels of another store, or turns them away.
    TAKE_IN, "relocate_in.lua"
);
script!(
    /// Lets go of exported tasks, or puts them back.
    TICKETS, "relocate_end.lua"
);
script!(
    /// Deletes the whole docket.
    CLEAR, "clear.lua"
);
script!(
    /// Sets layout and environment.
    JOIN, "join.lua"
);
script!(
    /// Removes a waiter whose caller is gone.
    LEAVE, "leave.lua"
);
script!(
    /// Ends the blocking read of one waiter.
    END_READ, "end_read.lua"
);
script!(
    /// Reads one record.
    GET, "get.lua"
);
script!(
    /// Reads a page of an index.
    LIST, "list.lua"
);
script!(
    /// Names the indexes that are not empty.
    LANES, "lanes.lua"
);
script!(
    /// Counts tasks by lane.
    COUNTS, "counts.lua"
);
script!(
    /// Reads the workers.
    WORKERS, "workers.lua"
);
script!(
    /// Compares records with indexes.
    AUDIT, "audit.lua"
);
/// Asks which commands the user may run. Without the prelude, which runs commands.
pub(crate) static ACCESS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../scripts/access.lua")));
#[cfg(feature = "testing")]
script!(
    /// Sets the docket's clock.
    CLOCK, "clock.lua"
);
