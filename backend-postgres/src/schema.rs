//! The schema: made, brought up to date, or refused.
//!
//! The tables change by numbered steps, `migrations/`. The functions, `sql/`, are made anew with each number, so that they
//! always fit the tables; whoever changes one raises the number.

use std::time::Duration;

use docket_core::{Error, ErrorKind, Result, limits, micros};
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection, Row};
use tokio::time::timeout;

use crate::Migrate;
use crate::connection::Server;
use crate::error::{describe, unanswered};
use crate::statements::in_schema;

/// The steps of the tables, in order. The number of a schema is how many it has been through.
const STEPS: [&str; 1] = [include_str!("../migrations/0001_tables.sql")];

/// The functions, each after those it is made of.
const FUNCTIONS: [&str; 27] = [
    include_str!("../sql/time.sql"),
    include_str!("../sql/calls.sql"),
    include_str!("../sql/tally.sql"),
    include_str!("../sql/announce.sql"),
    include_str!("../sql/worker.sql"),
    include_str!("../sql/life.sql"),
    include_str!("../sql/begin.sql"),
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
    include_str!("../sql/cancel.sql"),
    include_str!("../sql/requeue.sql"),
    include_str!("../sql/clear.sql"),
    include_str!("../sql/counts.sql"),
    include_str!("../sql/list.sql"),
    include_str!("../sql/workers.sql"),
    include_str!("../sql/join.sql"),
    include_str!("../sql/audit.sql"),
    include_str!("../sql/clock.sql"),
];

/// What every function of a call is run with. Its names mean ours alone. The planner knows nothing of a table that was
/// empty a moment ago, or whose index was, so it is left no choice: each query here either names a key or asks for the
/// first of an order, and without scans and sorts only the index that was made for it answers that.
const ENTRY: &str = "SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off \
                     SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan";

/// The error of a task that ended at its crash limit.
const CRASH_LIMIT: &str = "its lease ran out too often";

/// How long it may take, waiting for another process that does it included. The first call of a handle that was only
/// opened has less, and leaves the rest to the next.
const MIGRATION_MAX: Duration = Duration::from_mins(1);

const OPERATION: &str = "bring the schema up to date";

/// Looks at the schema once, and makes or migrates it if that is ours to do.
pub(crate) async fn make_ready(server: &Server) -> Result<()> {
    let told = |error| describe(error, OPERATION, &server.address);
    let mut connection = server.open().await.map_err(told)?;
    let look = async {
        let found = version(&mut connection, &server.options.schema).await.map_err(told)?;
        if judge(found, server)? == Verdict::Ready {
            return Ok(());
        }
        migrate(&mut connection, server).await
    };
    timeout(MIGRATION_MAX, look).await.unwrap_or_else(|_| Err(unanswered(OPERATION, &server.address)))
}

/// What is to be done about a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Ready,
    Migrate,
}

fn judge(found: i64, server: &Server) -> Result<Verdict> {
    let (ours, schema) = (ours(), &server.options.schema);
    let refuse = |message| Err(Error::new(ErrorKind::Conflict, "use the store", message));
    if found > ours {
        return refuse(format!(
            "{}: the schema {schema} is of version {found} and this build reads {ours}; use a build of its time",
            server.address
        ));
    }
    if found < ours && server.options.migrate == Migrate::Never {
        return refuse(format!(
            "{}: the schema {schema} is of version {found} and this build needs {ours}; run the migrations",
            server.address
        ));
    }
    Ok(if found == ours { Verdict::Ready } else { Verdict::Migrate })
}

fn ours() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The version of a schema; 0 if there is none.
async fn version(connection: &mut PgConnection, schema: &str) -> Result<i64, sqlx::Error> {
    // From the catalog itself: to_regclass() may answer from a cache that has not heard of what another process just did.
    let known = sqlx::query(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = 'migration')",
    );
    if !known.bind(schema).fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
        return Ok(0);
    }
    let latest = in_schema("SELECT coalesce(max(version), 0) FROM docket.migration", schema);
    sqlx::query(AssertSqlSafe(latest)).fetch_one(connection).await?.try_get(0)
}

/// Makes every step that is missing, and the functions, in one transaction. Of ten processes that start at once one does
/// it, and the others find it done.
async fn migrate(connection: &mut PgConnection, server: &Server) -> Result<()> {
    let told = |error| describe(error, OPERATION, &server.address);
    let schema = &server.options.schema;
    let mut transaction = connection.begin().await.map_err(told)?;
    transaction.execute("SET LOCAL statement_timeout = '1min'").await.map_err(told)?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('docket migrations of ' || $1, 0))")
        .bind(schema)
        .execute(&mut *transaction)
        .await
        .map_err(told)?;
    let found = version(&mut transaction, schema).await.map_err(told)?;
    if judge(found, server)? == Verdict::Ready {
        return Ok(());
    }
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(script(found, schema)))).await.map_err(told)?;
    transaction.commit().await.map_err(told)?;
    tracing::info!(address = server.address, schema, from = found, to = ours(), "schema brought up to date");
    Ok(())
}

/// The statements that lead from version `found` to ours.
fn script(found: i64, schema: &str) -> String {
    let steps = STEPS.iter().zip(1_i64..).filter(|(_, version)| *version > found);
    let steps =
        steps.map(|(step, version)| format!("{step}\nINSERT INTO docket.migration (version) VALUES ({version});\n"));
    let text = FRAME.replace("{SCHEMA}", schema) + &steps.collect::<String>() + &FUNCTIONS.concat();
    in_schema(&fill_in(text), schema)
}

/// What comes before the first step.
const FRAME: &str = "CREATE SCHEMA IF NOT EXISTS \"{SCHEMA}\";\nCREATE TABLE IF NOT EXISTS docket.migration \
                     (version bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());\n";

/// Limits come from `docket_core::limits`, so that they cannot differ.
fn fill_in(text: String) -> String {
    let whole = |count: usize| count.to_string();
    [
        ("{ENTRY}", ENTRY.to_owned()),
        ("{CRASH_LIMIT}", CRASH_LIMIT.to_owned()),
        ("{SUSPECT_CRASHES}", limits::SUSPECT_CRASHES.to_string()),
        ("{CALL_IDS_MAX}", whole(limits::CALL_IDS_MAX)),
        ("{TRIM_ITEMS_MAX}", whole(limits::TRIM_ITEMS_MAX)),
        ("{FINISHED_MAX}", whole(limits::FINISHED_MAX)),
        ("{DEAD_MAX}", whole(limits::DEAD_MAX)),
        ("{BATCH_BYTES_MAX}", whole(limits::BATCH_BYTES_MAX)),
        ("{RETENTION}", micros(limits::RETENTION).to_string()),
        ("{DEAD_RETENTION}", micros(limits::DEAD_RETENTION).to_string()),
        ("{CRASH_WAIT_MAX}", micros(limits::CRASH_WAIT_MAX).to_string()),
        ("{REQUEST_MEMORY}", micros(limits::REQUEST_MEMORY).to_string()),
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
        let text = script(0, "elsewhere");
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
