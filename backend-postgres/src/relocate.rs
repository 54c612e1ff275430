//! Moving tasks to another store, and accepting those of another.

use std::time::Duration;

use async_trait::async_trait;
use docket_core::{
    Arrival, Destination, Error, ErrorKind, Fence, Overrides, Parcel, ParcelId, Payload, Relocate, Result, Swept,
    TakenOut, Ticket, Verb, limits, micros, words,
};
use sqlx::postgres::PgArguments;
use uuid::Uuid;

use crate::PostgresBackend;
use crate::items::Batch;
use crate::request::{Columns, push, read_limited, whole};
use crate::statements::Statement;

#[async_trait]
impl Relocate for PostgresBackend {
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<TakenOut> {
        let operation = "take tasks out";
        let mut arguments = self.arguments()?;
        push(&mut arguments, to.as_str())?;
        push(&mut arguments, *id.as_uuid())?;
        push(&mut arguments, whole(limit.min(limits::BATCH_ITEMS_MAX)))?;
        push(&mut arguments, whole(limits::BATCH_BYTES_MAX))?;
        let rows = self.commands.rows(&self.statements().take_out, arguments, operation).await?;
        let mut taken = TakenOut::default();
        for columns in rows.iter().map(|row| Columns::of(row, operation)) {
            match columns.read::<Option<i64>>("crashed")? {
                Some(crashed) => {
                    taken.swept =
                        Swept { crashed: columns.count(crashed)?, limited: read_limited(&columns)?, dead_trimmed: 0 };
                }
                None => taken.parcels.push(read_parcel(&columns)?),
            }
        }
        Ok(taken)
    }

    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        let bytes_max = self.commands.server.options.max_payload_bytes;
        self.at_the_door("take parcels in", parcels, bytes_max, Door::Open).await
    }

    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        // A parcel that is too large to accept can still be turned away.
        self.at_the_door("turn parcels away", parcels, usize::MAX, Door::Closed).await
    }

    async fn let_go(&self, tickets: &[Ticket]) -> Result<()> {
        self.settle_tickets(&self.statements().let_go, "let tasks go", tickets).await
    }

    async fn put_back(&self, tickets: &[Ticket]) -> Result<()> {
        self.settle_tickets(&self.statements().put_back, "put tasks back", tickets).await
    }
}

/// Whether this store still accepts parcels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Door {
    Open,
    Closed,
}

impl PostgresBackend {
    async fn at_the_door(
        &self,
        operation: &'static str,
        parcels: &[Parcel],
        bytes_max: usize,
        door: Door,
    ) -> Result<Vec<Result<Arrival>>> {
        let weigh = |parcel: &Parcel| parcel.check().map(|()| parcel.args.len());
        let batch = Batch::check(operation, parcels, bytes_max, weigh)?;
        let accepted = batch.accepted();
        if accepted.is_empty() {
            return batch.answers(operation, Vec::new(), words::arrival);
        }
        let mut arguments = self.arguments()?;
        write_parcels(&mut arguments, &accepted)?;
        push(&mut arguments, door == Door::Closed)?;
        let row = self.commands.row(&self.statements().take_in, arguments, operation).await?;
        batch.answers(operation, Columns::of(&row, operation).only()?, words::arrival)
    }

    async fn settle_tickets(&self, statement: &Statement, operation: &'static str, tickets: &[Ticket]) -> Result<()> {
        let batch = Batch::check(operation, tickets, 0, |_| Ok(0))?;
        let tickets = batch.accepted();
        let mut arguments = self.arguments()?;
        push(&mut arguments, tickets.iter().map(|ticket| ticket.key.as_str()).collect::<Vec<_>>())?;
        push(&mut arguments, tickets.iter().map(|ticket| *ticket.id.as_uuid()).collect::<Vec<_>>())?;
        let row = self.commands.row(statement, arguments, operation).await?;
        let word = Columns::of(&row, operation).only::<String>()?;
        words::meaning(&word, operation, |word| (word == "done").then_some(()))
    }
}

/// The columns of `docket.take_in`, except whether the docket is closed.
fn write_parcels(arguments: &mut PgArguments, parcels: &[&Parcel]) -> Result<()> {
    fn column<'a, T>(parcels: &[&'a Parcel], field: impl Fn(&'a Parcel) -> T) -> Vec<T> {
        parcels.iter().map(|parcel| field(parcel)).collect()
    }
    push(arguments, column(parcels, |parcel| parcel.key.as_str()))?;
    push(arguments, column(parcels, |parcel| *parcel.id.as_uuid()))?;
    push(arguments, column(parcels, |parcel| parcel.name.as_str()))?;
    push(arguments, column(parcels, |parcel| parcel.queue.as_str()))?;
    push(arguments, column(parcels, |parcel| parcel.args.as_bytes()))?;
    push(arguments, column(parcels, |parcel| parcel.visible_at.as_micros()))?;
    push(arguments, column(parcels, |parcel| parcel.due_at.as_micros()))?;
    push(arguments, column(parcels, |parcel| parcel.added_at.as_micros()))?;
    push(arguments, column(parcels, |parcel| parcel.every.map(micros)))?;
    push(arguments, column(parcels, |parcel| parcel.overrides.max_attempts.map(i64::from)))?;
    push(arguments, column(parcels, |parcel| parcel.overrides.max_crashes.map(i64::from)))?;
    push(arguments, column(parcels, |parcel| i64::from(parcel.attempts)))?;
    push(arguments, column(parcels, |parcel| i64::from(parcel.crashes)))?;
    push(arguments, column(parcels, |parcel| i64::from(parcel.failures)))?;
    push(arguments, column(parcels, |parcel| i64::from(parcel.crashed_in_a_row)))?;
    // No store can have drawn a fence beyond the bound.
    push(arguments, column(parcels, |parcel| parcel.fence.and_then(|fence| i64::try_from(fence.0).ok())))?;
    push(arguments, column(parcels, |parcel| parcel.error.as_ref().map(String::as_bytes)))?;
    push(arguments, column(parcels, |parcel| parcel.placed_by == Verb::Schedule))
}

/// The columns of `docket.take_out`.
fn read_parcel(columns: &Columns<'_>) -> Result<Parcel> {
    if let Some(place) = columns.read::<Option<String>>("elsewhere")? {
        let message = format!("its tasks are already moving to {place}; finish that move, or abandon it");
        return Err(Error::new(ErrorKind::Conflict, "take tasks out", message));
    }
    let count = |column: &str| columns.count::<u32>(columns.read(column)?);
    let limit = |column: &str| columns.read::<Option<i64>>(column)?.map(|found| columns.count(found)).transpose();
    let every = columns.read::<Option<i64>>("every")?;
    let fence = columns.read::<Option<i64>>("fence")?;
    Ok(Parcel {
        id: ParcelId::from_uuid(columns.read::<Uuid>("parcel")?),
        key: columns.parsed(columns.read("key")?)?,
        name: columns.parsed(columns.read("name")?)?,
        queue: columns.parsed(columns.read("queue")?)?,
        args: Payload::new(columns.read::<Vec<u8>>("args")?),
        visible_at: columns.timestamp("visible_at")?,
        due_at: columns.timestamp("due_at")?,
        added_at: columns.timestamp("added_at")?,
        every: every.map(|micros| columns.count(micros).map(Duration::from_micros)).transpose()?,
        overrides: Overrides { max_attempts: limit("max_attempts")?, max_crashes: limit("max_crashes")? },
        attempts: count("attempts")?,
        crashes: count("crashes")?,
        failures: count("failures")?,
        crashed_in_a_row: count("crashed_in_a_row")?,
        fence: fence.map(|fence| columns.count(fence).map(Fence)).transpose()?,
        error: columns.read::<Option<Vec<u8>>>("error")?.map(|error| String::from_utf8_lossy(&error).into_owned()),
        placed_by: if columns.read("scheduled")? { Verb::Schedule } else { Verb::Add },
    })
}
