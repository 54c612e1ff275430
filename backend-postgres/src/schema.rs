//! The SQL of the schema: the migrations, and the functions.
//!
//! Numbered steps, `migrations/`, change the tables. The functions, `sql/`, are reinstalled with
//! each number, so that they always fit the tables; raise the number to change one.

use std::time::Duration;

use docket_core::{limits, micros, words};

use crate::statements::in_schema;

/// The steps of the tables, in order. A schema's version is the number of steps applied.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_tables.sql"),
    include_str!("../migrations/0002_outbox.sql"),
    include_str!("../migrations/0003_deploys.sql"),
    include_str!("../migrations/0004_runs.sql"),
    include_str!("../migrations/0005_contract.sql"),
];

/// The functions, each after those that it uses.
const FUNCTIONS: &[&str] = &[
    include_str!("../sql/time.sql"),
    include_str!("../sql/fence.sql"),
    include_str!("../sql/calls.sql"),
    include_str!("../sql/tally.sql"),
    include_str!("../sql/announce.sql"),
    include_str!("../sql/floor.sql"),
    include_str!("../sql/waiter.sql"),
    include_str!("../sql/worker.sql"),
    include_str!("../sql/life.sql"),
    include_str!("../sql/begin.sql"),
    include_str!("../sql/declare.sql"),
    include_str!("../sql/add.sql"),
    include_str!("../sql/schedule.sql"),
    include_str!("../sql/trim.sql"),
    include_str!("../sql/lanes.sql"),
    include_str!("../sql/sweep.sql"),
    include_str!("../sql/lease_from.sql"),
    include_str!("../sql/take.sql"),
    include_str!("../sql/lease.sql"),
    include_str!("../sql/heartbeat.sql"),
    include_str!("../sql/settle.sql"),
    include_str!("../sql/ack.sql"),
    include_str!("../sql/complete.sql"),
    include_str!("../sql/cancel.sql"),
    include_str!("../sql/requeue.sql"),
    include_str!("../sql/relocate_out.sql"),
    include_str!("../sql/relocate_in.sql"),
    include_str!("../sql/clear.sql"),
    include_str!("../sql/counts.sql"),
    include_str!("../sql/list.sql"),
    include_str!("../sql/workers.sql"),
    include_str!("../sql/join.sql"),
    include_str!("../sql/audit.sql"),
    include_str!("../sql/clock.sql"),
    include_str!("../sql/outbox_add.sql"),
    include_str!("../sql/outbox_take.sql"),
    include_str!("../sql/outbox_settle.sql"),
    include_str!("../sql/outbox_watch.sql"),
];

/// The layout of a docket's records, and the meaning of the arguments of its calls. Every call that
/// writes compares it with the layout of the functions and of the docket, so a build of another
/// layout changes nothing. Raise it, with a step that sets it in `meta`, when the functions cannot
/// serve callers of the previous build; such callers keep working through every other step.
pub(crate) const LAYOUT: i64 = 3;

/// Our own SQLSTATE, with which the functions refuse a caller of another build.
pub(crate) const OTHER_LAYOUT: &str = "DK001";

/// The settings of every function that a call runs. Unqualified names mean our tables only. The
/// planner knows nothing of a table or an index that was empty a moment ago, so it gets no choice:
/// each query names a key or asks for the first entries of an order, and without scans and sorts
/// only the index made for it can answer.
const ENTRY: &str = "SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off \
                     SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan";

/// Milliseconds that a heartbeat or an ack waits for a task that another transaction has locked,
/// before it answers for the rest of its batch. Well below a heartbeat's own deadline.
const LOCK_WAIT_MS: u32 = 250;
/// The same for a call that no lease depends on. Kept below `deadlock_timeout` (1 s by default).
/// `SKIP LOCKED` still blocks on a row whose update is in flight, so a sweep and an add can wait
/// for each other; this timeout breaks the tie before the server does.
const LOCK_WAIT_MAX_MS: u32 = 500;

/// A lease of at least so many takes the lease mutex.
const TURN_ITEMS_MIN: u32 = 64;
/// Milliseconds that it waits for the mutex: several times the sum of the turns of eight workers.
const TURN_WAIT_MAX_MS: u32 = 250;

/// A call that has read so many index entries for nothing raises the low-water marks of its lanes:
/// about half a millisecond.
const FLOOR_ENTRIES_MIN: u32 = 1_000;
/// From here on it even waits for the lock to do so: more than a millisecond.
const FLOOR_ENTRIES_MAX: u32 = 2_500;

/// How long trimming starts at its mark before it checks for rows below it.
const TRIM_FLOOR_MAX: Duration = Duration::from_mins(1);

/// The latest time is noted at most this often; a shorter step back of the server's clock is not
/// counted.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// How far fences leap ahead of time: more than can be drawn while they are set, less than a
/// failover takes.
const FENCE_LEAP: Duration = Duration::from_millis(100);

/// Up to so many lanes are read one by one, even if empty; of more, only lanes with a due task are
/// read.
const LANES_MAX: u32 = 64;

/// How many waiters one notification names; for more tasks it is a broadcast. A notification holds
/// 8,000 bytes.
const WAKE_MAX: u32 = 100;

/// The version that this build reads and writes.
pub(crate) fn needed() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The lock for migrations, held to the end of the transaction, so that of ten processes that start
/// at once one migrates and the others find it done.
pub(crate) fn lock(schema: &str) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('docket migrations of {schema}', 0));")
}

/// The statements that migrate from version `found` to ours; run them in one transaction, under the
/// lock.
pub(crate) fn script(found: i64, schema: &str) -> String {
    frame(schema) + &changes(found, schema)
}

/// The same to run by hand: a transaction of its own, which changes nothing if the schema does not
/// have version `from`.
pub(crate) fn whole_script(from: i64, schema: &str) -> String {
    let (to, lock, frame, changes) = (needed(), lock(schema), frame(schema), changes(from, schema));
    let check = in_schema(&CHECK.replace("{FROM}", &from.to_string()), schema);
    format!(
        "-- Docket: the schema {schema}, from version {from} to {to}. All of it or nothing.\n\
         BEGIN;\n{lock}\n{frame}{check}{changes}COMMIT;\n"
    )
}

/// The statements before the first step.
fn frame(schema: &str) -> String {
    let text = "CREATE SCHEMA IF NOT EXISTS {SCHEMA};\nCREATE TABLE IF NOT EXISTS docket.migration \
                (version bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());\n";
    in_schema(&text.replace("{SCHEMA}", &format!("\"{schema}\"")), schema)
}

/// Refuses a schema of another version than the first step expects.
const CHECK: &str = "DO $$ BEGIN
  IF (SELECT coalesce(max(version), 0) FROM docket.migration) <> {FROM} THEN
    RAISE EXCEPTION 'the schema is not of version {FROM}; print the script anew';
  END IF;
END $$;
";

fn changes(found: i64, schema: &str) -> String {
    let steps = STEPS.iter().zip(1_i64..).filter(|(_, version)| *version > found);
    let steps =
        steps.map(|(step, version)| format!("{step}\nINSERT INTO docket.migration (version) VALUES ({version});\n"));
    in_schema(&fill_in(steps.collect::<String>() + &FUNCTIONS.concat()), schema)
}

/// Limits come from `docket_core::limits`, so that the two cannot differ.
fn fill_in(text: String) -> String {
    let whole = |count: usize| count.to_string();
    [
        ("{ENTRY}", ENTRY.to_owned()),
        ("{LAYOUT}", LAYOUT.to_string()),
        ("{OTHER_LAYOUT}", OTHER_LAYOUT.to_owned()),
        ("{CRASH_LIMIT}", words::CRASH_LIMIT.to_owned()),
        ("{LOCK_WAIT_MS}", LOCK_WAIT_MS.to_string()),
        ("{LOCK_WAIT_MAX_MS}", LOCK_WAIT_MAX_MS.to_string()),
        ("{TURN_ITEMS_MIN}", TURN_ITEMS_MIN.to_string()),
        ("{TURN_WAIT_MAX_MS}", TURN_WAIT_MAX_MS.to_string()),
        ("{LANES_MAX}", LANES_MAX.to_string()),
        ("{WAKE_MAX}", WAKE_MAX.to_string()),
        ("{TRIM_FLOOR_MAX}", micros(TRIM_FLOOR_MAX).to_string()),
        ("{FLOOR_ENTRIES_MAX}", FLOOR_ENTRIES_MAX.to_string()),
        ("{FLOOR_ENTRIES_MIN}", FLOOR_ENTRIES_MIN.to_string()),
        ("{SUSPECT_CRASHES}", limits::SUSPECT_CRASHES.to_string()),
        ("{DEFINITIONS_MAX}", whole(limits::DEFINITIONS_MAX)),
        ("{CALL_IDS_MAX}", whole(limits::CALL_IDS_MAX)),
        ("{TRIM_ITEMS_MAX}", whole(limits::TRIM_ITEMS_MAX)),
        ("{FINISHED_MAX}", whole(limits::FINISHED_MAX)),
        ("{DEAD_MAX}", whole(limits::DEAD_MAX)),
        ("{FINISHED_BYTES_MAX}", whole(limits::FINISHED_BYTES_MAX)),
        ("{DEAD_BYTES_MAX}", whole(limits::DEAD_BYTES_MAX)),
        ("{KEPT_BYTES_MIN}", whole(limits::KEPT_BYTES_MIN)),
        ("{CRASHES_MAX}", limits::CRASHES_MAX.to_string()),
        ("{BATCH_ITEMS_MAX}", whole(limits::BATCH_ITEMS_MAX)),
        ("{BATCH_BYTES_MAX}", whole(limits::BATCH_BYTES_MAX)),
        ("{RETENTION}", micros(limits::RETENTION).to_string()),
        ("{DEAD_RETENTION}", micros(limits::DEAD_RETENTION).to_string()),
        ("{CRASH_WAIT_MAX}", micros(limits::CRASH_WAIT_MAX).to_string()),
        ("{REQUEST_MEMORY}", micros(limits::REQUEST_MEMORY).to_string()),
        ("{CLOCK_STEP}", micros(CLOCK_STEP).to_string()),
        ("{FENCE_LEAP}", micros(FENCE_LEAP).to_string()),
        ("{DELAY_MAX}", micros(limits::DELAY_MAX).to_string()),
    ]
    .iter()
    .fold(text, |text, (name, value)| text.replace(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let text = whole_script(0, "elsewhere");
        let left =
            text.match_indices('{').filter(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_uppercase()));
        assert_eq!(left.count(), 0);
        assert!(!text.contains(" docket.") && text.contains("\"elsewhere\".task"));
    }

    #[test]
    fn every_function_has_a_header() {
        for function in FUNCTIONS {
            assert!(function.starts_with("-- "), "{}", &function[..40]);
        }
    }
}
