//! A lease request as arguments, and its reply as values.

use std::time::Duration;
use std::vec::IntoIter;

use docket_core::{
    Clock, Error, ErrorKind, Fence, Lease, LeaseOrder, LeaseReply, LeaseRequest, LeaseSuspects, LeaseToken, Limited,
    Overrides, Payload, Queue, Result, Swept, Timestamp, WorkerRecord, limits, micros,
};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Decode, Encode, Postgres, Row, Type};
use uuid::Uuid;

/// Whether this poll must answer, or a wait may follow.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    /// Answers even if empty, unless another call held tasks that it might have leased. Removes
    /// this waiter, if any.
    Last { waiter: Option<Uuid> },
    /// The same, and answers in any case.
    Final { waiter: Option<Uuid> },
    /// If it finds nothing, registers this waiter for so long, and answers the other waiters for
    /// the lanes in which it is the standby.
    Waiting { waiter: Uuid, block: Duration, deputy: Vec<String> },
    /// If it finds nothing, another poll will follow.
    Polling,
}

/// The result of one poll.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) reply: LeaseReply,
    /// Whether this is an answer.
    pub(crate) answered: bool,
    /// How long until the waiter must poll by itself.
    pub(crate) due: Option<Duration>,
    /// The channel of its wake-ups.
    pub(crate) channel: Option<String>,
}

/// Adds one argument.
pub(crate) fn push<'a, T>(arguments: &mut PgArguments, value: T) -> Result<()>
where
    T: Encode<'a, Postgres> + Type<Postgres>,
{
    arguments.add(value).map_err(|error| {
        Error::new(ErrorKind::Internal, "prepare a statement", "an argument cannot be encoded").with_source(error)
    })
}

/// Refuses a request beyond its limits.
pub(crate) fn check(request: &LeaseRequest) -> Result<()> {
    for (what, count) in [("names", request.names.len()), ("queues", request.queues.len())] {
        if count > limits::LEASE_NAMES_MAX {
            let message = format!("{count} {what}; one request may list {}", limits::LEASE_NAMES_MAX);
            return Err(Error::new(ErrorKind::TooLarge, "lease tasks", message));
        }
    }
    Ok(())
}

/// The sixteen fields of `docket.ask`.
pub(crate) fn write(arguments: &mut PgArguments, request: &LeaseRequest, look: Look) -> Result<()> {
    push(arguments, *request.request.as_uuid())?;
    push(arguments, request.worker.id.as_str())?;
    push(arguments, write_worker(&request.worker)?)?;
    push(arguments, micros(request.worker.ttl))?;
    push(arguments, request.suspects == LeaseSuspects::Allow)?;
    push(arguments, request.order == LeaseOrder::Earliest)?;
    push(arguments, micros(request.lease_for))?;
    push(arguments, whole(request.count.min(limits::BATCH_ITEMS_MAX)))?;
    push(arguments, request.queues.iter().map(Queue::as_str).collect::<Vec<_>>())?;
    push(arguments, request.names.iter().map(|known| known.name.as_str()).collect::<Vec<_>>())?;
    push(arguments, request.names.iter().map(|known| i64::from(known.max_crashes)).collect::<Vec<_>>())?;
    push(arguments, matches!(look, Look::Last { .. } | Look::Final { .. }))?;
    push(arguments, matches!(look, Look::Final { .. }))?;
    let (waiter, block, deputy) = match look {
        Look::Waiting { waiter, block, deputy } => (Some(waiter), micros(block), deputy),
        Look::Last { waiter } | Look::Final { waiter } => (waiter, 0, Vec::new()),
        Look::Polling => (None, 0, Vec::new()),
    };
    push(arguments, waiter)?;
    push(arguments, block)?;
    push(arguments, deputy)
}

/// A worker's record as it is stored.
pub(crate) fn write_worker(record: &WorkerRecord) -> Result<String> {
    serde_json::to_string(record).map_err(|error| {
        Error::new(ErrorKind::Internal, "write the worker's record", "it cannot be put into JSON").with_source(error)
    })
}

/// A count as the functions take it.
pub(crate) fn whole(count: usize) -> i64 {
    // No count here comes near the limit.
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads columns by name; an answer of an unexpected form is an error that shows no value.
#[derive(Debug)]
pub(crate) struct Columns<'r> {
    row: &'r PgRow,
    operation: &'static str,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r PgRow, operation: &'static str) -> Self {
        Self { row, operation }
    }

    pub(crate) fn read<T: Decode<'r, Postgres> + Type<Postgres>>(&self, column: &str) -> Result<T> {
        self.row.try_get(column).map_err(|error| self.misshapen(column, error))
    }

    /// The one value of the row.
    pub(crate) fn only<T: Decode<'r, Postgres> + Type<Postgres>>(&self) -> Result<T> {
        self.row.try_get(0).map_err(|error| self.misshapen("1", error))
    }

    pub(crate) fn timestamp(&self, column: &str) -> Result<Timestamp> {
        self.read(column).map(Timestamp::from_micros)
    }

    pub(crate) fn optional_duration(&self, column: &str) -> Result<Option<Duration>> {
        self.read::<Option<i64>>(column)?.map(|micros| Ok(Duration::from_micros(self.count(micros)?))).transpose()
    }

    /// The docket's time relative to the server's clock.
    pub(crate) fn clock(&self) -> Result<Clock> {
        let offset = Duration::from_micros(self.count(self.read("clock_offset")?)?);
        Ok(Clock { offset, steps: self.count(self.read("clock_steps")?)? })
    }

    /// A number in the type that the caller wants.
    pub(crate) fn count<T: TryFrom<i64>>(&self, number: i64) -> Result<T> {
        T::try_from(number).map_err(|_| self.corrupt(format!("{number} is out of bounds")))
    }

    /// A text as an identity, which checks itself.
    pub(crate) fn parsed<T: TryFrom<String, Error = Error>>(&self, text: String) -> Result<T> {
        T::try_from(text).map_err(|error| self.corrupt(error))
    }

    fn column<'c, T>(&'c self, column: &str) -> Result<Column<'c, T>>
    where
        Vec<T>: Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(Column { columns: self, values: self.read::<Vec<T>>(column)?.into_iter() })
    }

    /// The store holds a value that no backend of this build would have written.
    fn corrupt(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::new(ErrorKind::Corrupt, self.operation, "the store holds a value that cannot be used").with_source(cause)
    }

    fn misshapen(&self, column: &str, error: sqlx::Error) -> Error {
        let message = format!("the column {column} of the answer has an unexpected form");
        Error::new(ErrorKind::Internal, self.operation, message).with_source(error)
    }
}

/// The columns of `docket.reply`.
pub(crate) fn read(row: &PgRow, request: &LeaseRequest) -> Result<Looked> {
    let columns = Columns::of(row, "lease tasks");
    let swept = Swept {
        crashed: columns.count(columns.read("crashed")?)?,
        limited: read_limited(&columns)?,
        dead_trimmed: columns.count(columns.read("dead_trimmed")?)?,
    };
    let ahead = Duration::from_micros(columns.count(columns.read("ahead")?)?);
    let reply = LeaseReply {
        leases: read_leases(&columns, request)?.into_iter().map(|lease| lease.behind_by(ahead)).collect(),
        next_visible: columns.optional_duration("next_visible")?,
        oldest_ready: columns.optional_duration("oldest_ready")?,
        swept,
        looked_at: None,
        clock: columns.clock()?,
    };
    Ok(Looked {
        reply,
        answered: columns.read("answered")?,
        due: columns.optional_duration("due")?,
        channel: columns.read("channel")?,
    })
}

/// The tasks that reached their crash limit, as sweep.sql returns them.
pub(crate) fn read_limited(columns: &Columns<'_>) -> Result<Vec<Limited>> {
    let one = |limited: &[String]| {
        let [key, name, attempts, repeats] = limited else {
            return Err(columns.corrupt("a task that reached its crash limit has four texts"));
        };
        Ok(Limited {
            key: columns.parsed(key.clone())?,
            name: columns.parsed(name.clone())?,
            attempts: attempts.parse().map_err(|error: std::num::ParseIntError| columns.corrupt(error))?,
            repeats: repeats == "true",
        })
    };
    columns.read::<Vec<String>>("limited")?.chunks(4).map(one).collect()
}

/// One column of the leases, read in step with the others.
struct Column<'c, T> {
    columns: &'c Columns<'c>,
    values: IntoIter<T>,
}

impl<T> Column<'_, T> {
    fn next(&mut self) -> Result<T> {
        self.values.next().ok_or_else(|| self.columns.corrupt("a column of the leases is too short"))
    }
}

fn read_leases(columns: &Columns<'_>, request: &LeaseRequest) -> Result<Vec<Lease>> {
    let Some(keys) = columns.read::<Option<Vec<String>>>("keys")? else { return Ok(Vec::new()) };
    let (mut names, mut queues) = (columns.column::<String>("names")?, columns.column::<String>("queues")?);
    let (mut fences, mut args) = (columns.column::<i64>("fences")?, columns.column::<Vec<u8>>("args")?);
    let (mut attempts, mut crashes) = (columns.column::<i64>("attempts")?, columns.column::<i64>("crashes")?);
    let (mut deadlines, mut leased_ats) = (columns.column::<i64>("deadlines")?, columns.column::<i64>("leased_ats")?);
    let (mut due_ats, mut everys) = (columns.column::<i64>("due_ats")?, columns.column::<Option<i64>>("everys")?);
    let mut attempts_maxs = columns.column::<Option<i64>>("attempts_maxs")?;
    let mut crashes_maxs = columns.column::<Option<i64>>("crashes_maxs")?;
    let mut undecodable_sinces = columns.column::<Option<i64>>("undecodable_sinces")?;
    let limit = |found: Option<i64>| found.map(|count| columns.count(count)).transpose();
    let lease = |key| {
        let fence = Fence(columns.count(fences.next()?)?);
        Ok(Lease {
            token: LeaseToken { key: columns.parsed(key)?, fence, request: request.request },
            name: columns.parsed(names.next()?)?,
            queue: columns.parsed(queues.next()?)?,
            args: Payload::new(args.next()?),
            attempts: columns.count(attempts.next()?)?,
            crashes: columns.count(crashes.next()?)?,
            deadline: Timestamp::from_micros(deadlines.next()?),
            leased_at: Timestamp::from_micros(leased_ats.next()?),
            due_at: Timestamp::from_micros(due_ats.next()?),
            every: everys.next()?.map(|micros| columns.count(micros).map(Duration::from_micros)).transpose()?,
            overrides: Overrides {
                max_attempts: limit(attempts_maxs.next()?)?,
                max_crashes: limit(crashes_maxs.next()?)?,
            },
            undecodable_since: undecodable_sinces.next()?.map(Timestamp::from_micros),
        })
    };
    keys.into_iter().map(lease).collect()
}
