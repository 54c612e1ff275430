//! The transitions, as the server runs them. Limits come from `docket_core::limits`, so that they cannot differ.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use docket_core::{limits, micros};
use redis::Script;

use crate::wait::LEFT_ALONE_MAX;

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

/// The places of a record's list; see record.lua.
const FIELDS: [&str; 44] = [
    // What the script that holds it notes of it.
    "KEY",
    "AT",
    "AT_SCORE",
    "AT_MEMBER",
    "AT_COUNT",
    "KEPT",
    "GONE",
    "RAW",
    "ARGS_APART",
    "RESULT_APART",
    "FOLLOWER_APART",
    // What most do not have. ARGS only if they are not in REST: a text that is to be set apart, or the size of one that is.
    "ARGS",
    "RESULT",
    "ERROR",
    "FOLLOWER",
    "REQUEUED",
    "PARCEL",
    "EVERY",
    "ATTEMPTS_MAX",
    "CRASHES_MAX",
    "SETTLED_FENCE",
    "SETTLED_REQUEST",
    "CANCELLING",
    "ATTEMPTS",
    "CRASHES",
    "FAILURES",
    "CRASHED",
    "REST",
    // Order matters: from here on as LIVED_AS has them.
    "FORM",
    "STATE",
    "FLAGS",
    "SEQ",
    "VISIBLE",
    "DUE",
    "ADDED",
    "LEASED_AT",
    "EXPIRES",
    "FENCE",
    "ARGS_BYTES",
    "CALLS",
    "REQUEST",
    "LANE",
    "WORKER",
    "NEXT",
];

/// The numbers that the scripts have names for, and that nobody else needs.
const NUMBERS: [(&str, i64); 43] = [
    ("CHUNK", 500),
    ("INLINE_MAX", 1_024),
    ("SEQ_BYTES", 6),
    ("ID_BYTES", 16),
    ("CALL_BYTES", 17),
    ("ABSENT", 0),
    ("UNREADABLE", 1),
    // Kinds of time, as an item or an ack has them.
    ("RUN_NOW", 0),
    ("RUN_IN", 1),
    ("RUN_AT", 2),
    // Forms of a record.
    ("FRESH_NOW", 1),
    ("FRESH_LATER", 2),
    ("LIVED", 3),
    // States, as STATES has them.
    ("QUEUED", 1),
    ("LEASED", 2),
    ("COMPLETED", 3),
    ("DEAD", 4),
    ("CANCELLED", 5),
    ("MOVING", 6),
    // Flags of a lived record; the one that says that there is more is the largest.
    ("WITH_CANCELLING", 1),
    ("WITH_ERROR", 2),
    ("WITH_RESULT", 4),
    ("WITH_ARGS_APART", 8),
    ("WITH_RESULT_APART", 16),
    ("WITH_LATEST_SETTLED", 32),
    ("WITH_MORE", 64),
    // Outcomes, as an ack has them.
    ("ACK_COMPLETED", 1),
    ("ACK_RETRY", 2),
    ("ACK_SNOOZE", 3),
    ("ACK_RELEASE", 4),
    ("ACK_DEAD", 5),
    ("ACK_REPEAT", 6),
    ("ACK_CANCELLED", 7),
    // Places of an ack's list.
    ("ACK_TEXT", 1),
    ("ACK_OUTCOME", 2),
    ("ACK_KIND", 3),
    ("ACK_MICROS", 4),
    ("ACK_FENCE", 5),
    ("ACK_ATTEMPTS_MAX", 6),
    ("ACK_RETENTION", 7),
    ("ACK_WITH_TEXT", 8),
    ("ACK_REQUEST", 9),
    ("ACK_KEY", 10),
];

fn assemble(parts: &[&str]) -> Script {
    Script::new(&with_numbers(&parts.join("\n")))
}

/// The text with numbers in the place of their names, since a variable costs the server more, and a script may have no
/// more than 200.
fn with_numbers(text: &str) -> String {
    let mut numbers = BTreeMap::from(limits());
    numbers.extend(NUMBERS);
    numbers.extend(FIELDS.into_iter().zip(1..));
    let mut whole = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        match numbers.get(word) {
            Some(number) => whole.push_str(&number.to_string()),
            None => whole.push_str(word),
        }
        whole.push_str(&piece[word.len()..]);
    }
    whole
}

fn limits() -> [(&'static str, i64); 13] {
    [
        ("SUSPECT_CRASHES", i64::from(limits::SUSPECT_CRASHES)),
        ("CRASHES_MAX_DEFAULT", i64::from(limits::CRASHES_MAX)),
        ("CALL_IDS_MAX", whole(limits::CALL_IDS_MAX)),
        ("TRIM_ITEMS_MAX", whole(limits::TRIM_ITEMS_MAX)),
        ("FINISHED_MAX", whole(limits::FINISHED_MAX)),
        ("DEAD_MAX", whole(limits::DEAD_MAX)),
        ("BATCH_BYTES_MAX", whole(limits::BATCH_BYTES_MAX)),
        ("RETENTION", micros(limits::RETENTION)),
        ("DEAD_RETENTION", micros(limits::DEAD_RETENTION)),
        ("CRASH_WAIT_MAX", micros(limits::CRASH_WAIT_MAX)),
        ("REQUEST_MEMORY", micros(limits::REQUEST_MEMORY)),
        ("DELAY_MAX", micros(limits::DELAY_MAX)),
        ("LEFT_ALONE_MAX", micros(LEFT_ALONE_MAX)),
    ]
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
