//! The transitions, as the server runs them.

use std::sync::LazyLock;

use redis::Script;

use crate::numbers::with_numbers;

const PRELUDE: &str = include_str!("../scripts/prelude.lua");
const RECORD: &str = include_str!("../scripts/record.lua");
const INDEX: &str = include_str!("../scripts/index.lua");
const HELD: &str = include_str!("../scripts/held.lua");
const WORKER: &str = include_str!("../scripts/worker.lua");
const WAITERS: &str = include_str!("../scripts/waiters.lua");
const LIFE: &str = include_str!("../scripts/life.lua");
const REQUEST: &str = include_str!("../scripts/request.lua");
const EARLIEST: &str = include_str!("../scripts/earliest.lua");
const TAKE: &str = include_str!("../scripts/take.lua");
const SHOW: &str = include_str!("../scripts/show.lua");

/// Declares a script as the prelude, some shared parts, and its own file.
macro_rules! script {
    ($(#[$doc:meta])* $name:ident, $file:literal $(, $part:ident)*) => {
        $(#[$doc])*
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| assemble(&[PRELUDE, $($part,)* include_str!(concat!("../scripts/", $file))]));
    };
}

script!(
    /// Adds tasks.
    ADD, "add.lua", RECORD, INDEX, HELD, WAITERS, LIFE
);
script!(
    /// Places or moves tasks.
    SCHEDULE, "schedule.lua", RECORD, INDEX, HELD, WAITERS, LIFE
);
script!(
    /// Takes tasks.
    LEASE, "lease.lua", RECORD, INDEX, HELD, WORKER, WAITERS, LIFE, REQUEST, EARLIEST, TAKE
);
script!(
    /// Extends leases.
    HEARTBEAT, "heartbeat.lua", RECORD, INDEX, HELD, WORKER
);
script!(
    /// Settles leases, then takes tasks.
    ACK, "ack.lua", RECORD, INDEX, HELD, WORKER, WAITERS, LIFE, REQUEST, EARLIEST, TAKE
);
script!(
    /// Ends a task, or marks it.
    CANCEL, "cancel.lua", RECORD, INDEX, HELD, WAITERS, LIFE
);
script!(
    /// Brings a dead task back.
    REQUEUE, "requeue.lua", RECORD, INDEX, HELD, WAITERS, LIFE
);
script!(
    /// Takes tasks out, for a move.
    TAKE_OUT, "relocate_out.lua", RECORD, INDEX, HELD, WORKER, WAITERS, LIFE, REQUEST, EARLIEST, TAKE
);
script!(
    /// Takes parcels of another store in, or turns them away.
    TAKE_IN, "relocate_in.lua", RECORD, INDEX, HELD, WAITERS, LIFE
);
script!(
    /// Lets go of tasks that were taken out, or puts them back.
    TICKETS, "relocate_end.lua", RECORD, INDEX, HELD, WAITERS, LIFE
);
script!(
    /// Takes the whole docket away.
    CLEAR, "clear.lua"
);
script!(
    /// Notes layout and environment.
    JOIN, "join.lua"
);
script!(
    /// Takes out a waiter whose caller is gone.
    LEAVE, "leave.lua", RECORD, INDEX, HELD, WAITERS
);
script!(
    /// Ends the blocking read of one waiter.
    NUDGE, "nudge.lua"
);
script!(
    /// Reads one record.
    GET, "get.lua", RECORD, INDEX, HELD, SHOW
);
script!(
    /// Reads a page of an index.
    LIST, "list.lua", RECORD, INDEX, HELD, SHOW
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
    AUDIT, "audit.lua", RECORD, INDEX, HELD
);
/// Asks what the user may do. Alone, since the prelude runs commands.
pub(crate) static ACCESS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../scripts/access.lua")));
#[cfg(feature = "testing")]
script!(
    /// Sets the docket's clock.
    CLOCK, "clock.lua"
);

fn assemble(parts: &[&str]) -> Script {
    Script::new(&with_numbers(&parts.join("\n")))
}
