//! A row of the outbox, read back into its task.

use std::time::Duration;

use docket_core::{AddId, Error, ErrorKind, NewTask, Overrides, Payload, Result, RunAt, Timestamp, Verb};
use sqlx::postgres::PgRow;

use crate::request::Columns;

const OPERATION: &str = "read a row of the outbox";

/// A row to bring to the queue.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) verb: Verb,
    pub(super) key: String,
    /// The task; or why this build cannot read it.
    pub(super) task: Result<NewTask, String>,
}

impl Row {
    pub(super) fn read(row: &PgRow) -> Result<Self> {
        let columns = Columns::of(row, OPERATION);
        let verb = match columns.read::<String>("verb")?.as_str() {
            "schedule" => Verb::Schedule,
            _ => Verb::Add,
        };
        let task = read_task(&columns).map_err(|error| error.chain());
        Ok(Self { id: columns.read("id")?, verb, key: columns.read("key")?, task })
    }
}

fn read_task(columns: &Columns<'_>) -> Result<NewTask> {
    let limit = |column| columns.read::<Option<i64>>(column)?.map(|count| columns.count(count)).transpose();
    let micros: i64 = columns.read("micros")?;
    let run_at = match columns.read::<String>("kind")?.as_str() {
        "now" => RunAt::Now,
        "in" => RunAt::In(Duration::from_micros(columns.count(micros)?)),
        "at" => RunAt::At(Timestamp::from_micros(micros)),
        other => return Err(Error::new(ErrorKind::Corrupt, OPERATION, format!("its kind of time is {other:?}"))),
    };
    Ok(NewTask {
        key: columns.parsed(columns.read("key")?)?,
        add_id: AddId::from_uuid(columns.read("add_id")?),
        name: columns.parsed(columns.read("name")?)?,
        queue: columns.parsed(columns.read("queue")?)?,
        args: Payload::new(columns.read::<Vec<u8>>("args")?),
        run_at,
        every: columns.optional_duration("every")?,
        overrides: Overrides { max_attempts: limit("max_attempts")?, max_crashes: limit("max_crashes")? },
        declared_for: None,
    })
}

/// The fate of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Became {
    /// The queue has it.
    Done,
    /// The queue will never accept it.
    Refused(String),
    /// The queue could not accept it now.
    Failed(String),
}
