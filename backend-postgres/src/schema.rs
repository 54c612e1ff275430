//! The text of the schema: what leads from one version to another.
//!
//! The tables change by numbered steps, `migrations/`. The functions, `sql/`, are made anew with each number, so that they
//! always fit the tables; whoever changes one raises the number.

use std::time::Duration;

use docket_core::{limits, micros, words};

use crate::statements::in_schema;

/// The steps of the tables, in order. The number of a schema is how many it has been through.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_tables.sql"),
    include_str!("../migrations/0002_outbox.sql"),
    include_str!("../migrations/0003_deploys.sql"),
    include_str!("../migrations/0004_runs.sql"),
];

/// The functions, each after those it is made of.
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

/// The layout of a docket's records that this build writes, and what its calls mean by their arguments. Every call that writes
/// compares it, with that of the functions and that of the docket, so a build of another one changes nothing. To be raised
/// with a step that sets it in `meta`, where the functions cannot serve callers of the build before: those go on through
/// every other step.
pub(crate) const LAYOUT: i64 = 2;

/// The SQLSTATE of our own with which the functions refuse a caller of another build.
pub(crate) const OTHER_LAYOUT: &str = "DK001";

/// What every function of a call is run with. Its names mean ours alone. The planner knows nothing of a table that was
/// empty a moment ago, or whose index was, so it is left no choice: each query here either names a key or asks for the
/// first of an order, and without scans and sorts only the index that was made for it answers that.
const ENTRY: &str = "SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off \
                     SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan";

/// Milliseconds that a renewal or an ack waits for a task that somebody else's transaction holds, before it answers for
/// the others of its batch. Well below a heartbeat's own deadline.
const LOCK_WAIT_MS: u32 = 250;
/// The same for a call that nobody's lease depends on. Over before the server looks for a deadlock (`deadlock_timeout`, a
/// second by default): `SKIP LOCKED` waits after all for who changes a row that somebody else has just changed, so a sweep
/// that holds what it acks may wait for an add that waits for it.
const LOCK_WAIT_MAX_MS: u32 = 500;

/// A lease of so many or more takes its turn with the others of its size.
const TURN_ITEMS_MIN: u32 = 64;
/// Milliseconds that it waits for it: several times what the turns of eight workers take together.
const TURN_WAIT_MAX_MS: u32 = 250;

/// Index entries that a look must have read in vain before it raises the floors of its lanes: about half a millisecond.
const FLOOR_ENTRIES_MIN: u32 = 1_000;
/// The same, before it waits for a moment in which it can: more than a millisecond.
const FLOOR_ENTRIES_MAX: u32 = 2_500;

/// How long trimming begins where it was, before it looks whether something came below.
const TRIM_FLOOR_MAX: Duration = Duration::from_mins(1);

/// The latest time is noted this often at most; a step back of the server's clock that is shorter is not counted.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// How far fences run ahead of time at most: more than can be drawn while they are set. Less than a fail-over takes.
const FENCE_LEAP: Duration = Duration::from_millis(100);

/// Lanes that are looked into one by one, be they empty; of more, those are found in which something is due.
const LANES_MAX: u32 = 64;

/// How many waiters one notification names; of more tasks all are told. It holds 8,000 bytes.
const WAKE_MAX: u32 = 100;

/// The version that this build reads and writes.
pub(crate) fn needed() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The lock of who changes the schema: held to the end of the transaction, so that of ten processes that start at once one
/// does it and the others find it done.
pub(crate) fn lock(schema: &str) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('docket migrations of {schema}', 0));")
}

/// The statements that lead from version `found` to ours; to be run in one transaction, under the lock.
pub(crate) fn script(found: i64, schema: &str) -> String {
    frame(schema) + &changes(found, schema)
}

/// The same for a person's client: a transaction of its own, which changes nothing if the schema is not of version `from`.
pub(crate) fn whole_script(from: i64, schema: &str) -> String {
    let (to, lock, frame, changes) = (needed(), lock(schema), frame(schema), changes(from, schema));
    let check = in_schema(&CHECK.replace("{FROM}", &from.to_string()), schema);
    format!(
        "-- Docket: the schema {schema}, from version {from} to {to}. All of it or nothing.\n\
         BEGIN;\n{lock}\n{frame}{check}{changes}COMMIT;\n"
    )
}

/// What comes before the first step.
fn frame(schema: &str) -> String {
    let text = "CREATE SCHEMA IF NOT EXISTS {SCHEMA};\nCREATE TABLE IF NOT EXISTS docket.migration \
                (version bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());\n";
    in_schema(&text.replace("{SCHEMA}", &format!("\"{schema}\"")), schema)
}

/// Refuses a schema of another version than the one that the steps begin with.
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

/// Limits come from `docket_core::limits`, so that they cannot differ.
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
