//! Moving tasks to another store, and accepting those of another.

use async_trait::async_trait;
use docket_core::{
    Arrival, Destination, Error, ErrorKind, Fence, Overrides, Parcel, ParcelId, Relocate, Result, Swept, TakenOut,
    Ticket, Verb, limits, micros, words,
};

use crate::call::Call;
use crate::fields::Fields;
use crate::items::{self, Batch};
use crate::{RedisBackend, keys, request, scripts};

#[async_trait]
impl Relocate for RedisBackend {
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<TakenOut> {
        let operation = "take tasks out";
        let mut call = self.call(&scripts::TAKE_OUT, 0);
        call.text(to.as_str()).id(id.as_uuid()).number(limit.min(limits::BATCH_ITEMS_MAX));
        let mut found = self.run(&call, operation).await?;
        if let Some(place) = found.optional_text()? {
            let message = format!("its tasks are already moving to {place}; finish that move, or abandon it");
            return Err(Error::new(ErrorKind::Conflict, operation, message));
        }
        let parcels = found.each(|parcel| read_parcel(&mut parcel.list()?))?;
        let swept = Swept { crashed: found.count()?, limited: request::read_limited(&mut found)?, dead_trimmed: 0 };
        Ok(TakenOut { parcels, swept })
    }

    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        self.at_the_door("take parcels in", parcels, self.max_payload_bytes(), "open").await
    }

    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        // A parcel that is too large to accept can still be turned away.
        self.at_the_door("turn parcels away", parcels, usize::MAX, "closed").await
    }

    async fn let_go(&self, tickets: &[Ticket]) -> Result<()> {
        self.end("let tasks go", tickets, "go").await
    }

    async fn put_back(&self, tickets: &[Ticket]) -> Result<()> {
        self.end("put tasks back", tickets, "back").await
    }
}

impl RedisBackend {
    async fn at_the_door(
        &self,
        operation: &'static str,
        parcels: &[Parcel],
        bytes_max: usize,
        door: &str,
    ) -> Result<Vec<Result<Arrival>>> {
        let weigh = |parcel: &Parcel| parcel.check().map(|()| parcel.args.len());
        let batch = Batch::check(operation, parcels, bytes_max, weigh)?;
        let mut call = self.call(&scripts::TAKE_IN, batch.bytes());
        call.text(door);
        batch.accepted().for_each(|parcel| write_parcel(&mut call, parcel));
        let mut answers = match batch.accepted().next() {
            Some(_) => Fields::words(self.commands.script(&call, operation).await?, operation)?,
            None => Fields::empty(operation),
        };
        batch.answers(|_| items::read_answer(&mut answers, operation, words::arrival))
    }

    async fn end(&self, operation: &'static str, tickets: &[Ticket], how: &str) -> Result<()> {
        let batch = Batch::check(operation, tickets, 0, |_| Ok(0))?;
        let mut call = self.call(&scripts::TICKETS, batch.bytes());
        call.text(how);
        for ticket in batch.accepted() {
            call.key(&ticket.key).id(ticket.id.as_uuid());
        }
        self.commands.script(&call, operation).await.map(drop)
    }
}

/// The arguments of one parcel in `relocate_in.lua`.
fn write_parcel(call: &mut Call, parcel: &Parcel) {
    let limit = |count: Option<u32>| count.map(i64::from);
    call.key(&parcel.key).id(parcel.id.as_uuid()).text(keys::lane(&parcel.queue, &parcel.name));
    call.bytes(parcel.args.as_bytes());
    for moment in [parcel.visible_at, parcel.due_at, parcel.added_at] {
        call.number(moment.as_micros());
    }
    call.optional(parcel.every.map(micros));
    call.optional(limit(parcel.overrides.max_attempts)).optional(limit(parcel.overrides.max_crashes));
    for count in [parcel.attempts, parcel.crashes, parcel.failures, parcel.crashed_in_a_row] {
        call.number(count);
    }
    // No store can have drawn a fence beyond the bound.
    call.optional(parcel.fence.and_then(|fence| i64::try_from(fence.0).ok()));
    call.number(i32::from(parcel.error.is_some())).text(parcel.error.as_deref().unwrap_or_default());
    call.number(i32::from(parcel.placed_by == Verb::Schedule));
}

/// One parcel of `relocate_out.lua`.
fn read_parcel(fields: &mut Fields) -> Result<Parcel> {
    Ok(Parcel {
        id: ParcelId::from_uuid(fields.id()?),
        key: fields.key()?,
        name: fields.parsed()?,
        queue: fields.parsed()?,
        args: fields.payload()?,
        visible_at: fields.timestamp()?,
        due_at: fields.timestamp()?,
        added_at: fields.timestamp()?,
        every: fields.optional_micros()?,
        overrides: Overrides { max_attempts: fields.optional_count()?, max_crashes: fields.optional_count()? },
        attempts: fields.count()?,
        crashes: fields.count()?,
        failures: fields.count()?,
        crashed_in_a_row: fields.count()?,
        fence: fields.optional_count()?.map(Fence),
        error: fields.optional_text()?,
        placed_by: if fields.flag()? { Verb::Schedule } else { Verb::Add },
    })
}
