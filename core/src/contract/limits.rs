//! Every limit with a name. Zero never means infinite; exceeding one is an error that names it,
//! never a silent cut.

use std::borrow::Cow;
use std::time::Duration;

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 512;
/// Bytes of a task name, a queue name or a worker id.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of a docket name.
pub const DOCKET_NAME_BYTES_MAX: usize = 64;
/// Bytes of the destination of a move.
pub const DESTINATION_BYTES_MAX: usize = 1_024;
/// Bytes of one task's args, and of its result, unless the client sets another limit.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Bytes of an error kept with a task; [`cut_error`] truncates longer ones.
pub const ERROR_BYTES_MAX: usize = 8 << 10;
/// Items in one batch of any verb.
pub const BATCH_ITEMS_MAX: usize = 1_000;
/// Bytes of payload in one batch; a lease returns fewer tasks rather than more bytes.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// Names, and queues, that one lease request may list.
pub const LEASE_NAMES_MAX: usize = 1_000;
/// Records that a filter without an index examines in one call.
pub const LIST_LOOK_MAX: usize = 10_000;
/// Finished records trimmed by one lease call. An ack batch trims as many, plus one per ack:
/// otherwise large batches would finish tasks faster than they are trimmed.
pub const TRIM_ITEMS_MAX: usize = 100;
/// Completed and cancelled records kept, whatever their retention; the oldest go first.
pub const FINISHED_MAX: usize = 100_000;
/// Dead records kept, whatever their retention; the oldest go first, with a log line.
pub const DEAD_MAX: usize = 10_000;
/// Bytes that completed and cancelled records keep (see [`kept_bytes`]), whatever their retention; the oldest go first.
pub const FINISHED_BYTES_MAX: usize = 64 << 20;
/// Bytes that dead records keep, whatever their retention; the oldest go first, with a log line.
pub const DEAD_BYTES_MAX: usize = 128 << 20;
/// A finished record of fewer bytes is bounded by number alone, so that usual tasks need no
/// weighing.
pub const KEPT_BYTES_MIN: usize = 256;
/// How long a completed or cancelled task is kept unless its ack sets another time.
pub const RETENTION: Duration = Duration::from_secs(10 * 60);
/// How long a dead task is kept.
pub const DEAD_RETENTION: Duration = Duration::from_secs(14 * 24 * 3_600);
/// Call ids (of adds, schedules and cancels) that a record remembers; the oldest is dropped first.
pub const CALL_IDS_MAX: usize = 16;
/// Definitions of a periodic task that a store remembers. A further one is ignored while workers
/// declare all of them.
pub const DEFINITIONS_MAX: usize = 8;
/// How long a store remembers an answered lease request. Longer than any caller repeats one.
pub const REQUEST_MEMORY: Duration = Duration::from_secs(3 * 60);
/// How long a caller repeats a call without an answer before it reports that the effect is unknown.
pub const REPEAT_MAX: Duration = Duration::from_secs(60);
/// Crashes after which a task is dead, unless the task sets another limit.
pub const CRASHES_MAX: u32 = 5;
/// From this many crashes on a task is a suspect: a worker holds at most one, so that it takes no
/// innocent task down with it.
pub const SUSPECT_CRASHES: u32 = 2;
/// The longest that a periodic task that keeps crashing waits for its next occurrence (unless its
/// interval is longer).
pub const CRASH_WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The shortest and the longest lease.
pub const LEASE_MIN: Duration = Duration::from_millis(2_500);
/// See [`LEASE_MIN`].
pub const LEASE_MAX: Duration = Duration::from_secs(60);
/// The furthest time in the future for a task; a later time is refused. Keeps microseconds exact in
/// every store (below 2^53).
pub const DELAY_MAX: Duration = Duration::from_secs(24 * 365 * 10 * 3_600);

/// The bytes that a finished record counts for: its args, its result and its error, or 0 if these
/// are few.
pub fn kept_bytes(args: usize, result: Option<usize>, error: Option<usize>) -> usize {
    let bytes = args + result.unwrap_or(0) + error.unwrap_or(0);
    if bytes < KEPT_BYTES_MIN { 0 } else { bytes }
}

/// `error` within [`ERROR_BYTES_MAX`]: a longer one is cut at a character and ends in `…`. Every
/// backend keeps errors through this, so that all keep the same.
pub fn cut_error(error: &str) -> Cow<'_, str> {
    if error.len() <= ERROR_BYTES_MAX {
        return error.into();
    }
    let mut cut = ERROR_BYTES_MAX - '…'.len_utf8();
    while !error.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}…", &error[..cut]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_at_a_character() {
        let cut = cut_error(&"ü".repeat(ERROR_BYTES_MAX)).into_owned();
        assert!(cut.len() <= ERROR_BYTES_MAX && cut.ends_with('…'));
        assert_eq!(cut_error("short"), "short");
    }
}
