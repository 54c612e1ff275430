//! Moving: out of this docket, and into it.

use async_trait::async_trait;
use docket_core::{
    Arrival, Destination, Error, ErrorKind, Fence, Parcel, ParcelId, Relocate, Result, RunAt, TakenOut, Ticket,
    Timestamp, Verb, limits,
};

use super::bound;
use super::docket::{Docket, moving};
use super::record::{Answer, Life, Record, Step, Work};
use super::store::ModelStore;
use crate::teeth::Fault;

/// Whether this store still accepts parcels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Door {
    Open,
    Closed,
}

impl Docket {
    fn take_out(&mut self, to: &Destination, id: ParcelId, limit: usize, now: Timestamp) -> Result<TakenOut> {
        let any = self.records.values().any(|record| record.state == Life::Moving);
        if any && self.moving_to.as_ref() != Some(to) && !self.has(Fault::MovesToTwoPlaces) {
            return Err(Error::new(ErrorKind::Conflict, "take tasks out", "its tasks move elsewhere"));
        }
        self.moving_to = Some(to.clone());
        let swept = self.sweep_all(now);
        let mut line: Vec<&mut Record> =
            self.records.values_mut().filter(|record| matches!(record.state, Life::Moving | Life::Queued)).collect();
        line.sort_by_key(|record| (record.state == Life::Queued, record.work.visible_at, record.seq));
        let (mut parcels, mut bytes) = (Vec::new(), 0);
        for record in line.into_iter().take(limit.min(limits::BATCH_ITEMS_MAX)) {
            bytes += record.work.args.len();
            if bytes > limits::BATCH_BYTES_MAX && !parcels.is_empty() {
                break;
            }
            record.state = Life::Moving;
            let id = *record.parcel.get_or_insert(id);
            parcels.push(parcel_of(record, id));
        }
        Ok(TakenOut { parcels, swept })
    }

    fn take_in(&mut self, parcel: &Parcel, door: Door, now: Timestamp) -> Result<Arrival> {
        let known = self.records.get(&parcel.key).and_then(|record| record.answered(parcel.id.as_uuid()));
        if known.is_none() && door == Door::Open {
            self.check_time(RunAt::At(parcel.visible_at), now)?;
        }
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        let id = parcel.id.as_uuid();
        let known = self.records.get_mut(&parcel.key);
        if let Some(Answer::Arrive(answer)) = known.as_ref().and_then(|record| record.answered(id))
            && !step.has(Fault::TakesInTwice)
        {
            return Ok(answer);
        }
        self.fence = self.fence.max(parcel.fence.map_or(0, |Fence(fence)| fence));
        let Some(record) = known else {
            let mut record = Record::with(parcel.key.clone(), Work::of_parcel(parcel), &mut step);
            let answer = if door == Door::Open {
                arrive(&mut record, parcel, &step);
                Arrival::Placed
            } else {
                record.work.every = None;
                record.finish(Life::Cancelled, limits::RETENTION, &mut step);
                Arrival::TurnedAway
            };
            if answer != Arrival::TurnedAway || !step.has(Fault::TurnsAwayOnce) {
                record.remember(id, Answer::Arrive(answer));
            }
            self.records.insert(parcel.key.clone(), record);
            return Ok(answer);
        };
        let overtakes = parcel.placed_by == Verb::Schedule && record.origin().1;
        let answer = match record.state {
            _ if door == Door::Closed => Arrival::TurnedAway,
            Life::Moving => return Err(moving()),
            Life::Queued if overtakes => {
                arrive(record, parcel, &step);
                Arrival::Moved
            }
            Life::Leased if overtakes => {
                record.successor = Some(Work::of_parcel(parcel));
                Arrival::Follows
            }
            Life::Queued | Life::Leased => Arrival::Superseded,
            Life::Completed | Life::Dead | Life::Cancelled => {
                record.begin_life(&mut step);
                arrive(record, parcel, &step);
                Arrival::Placed
            }
        };
        record.remember(id, Answer::Arrive(answer));
        Ok(answer)
    }

    fn let_go(&mut self, ticket: &Ticket, now: Timestamp) {
        let Some(record) = self.records.get_mut(&ticket.key).filter(|record| moves(record, ticket)) else { return };
        if self.fault == Some(Fault::LetsGoWithoutATrace) {
            self.records.remove(&ticket.key);
            return;
        }
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        record.finish(Life::Cancelled, limits::RETENTION, &mut step);
        record.error = self.moving_to.as_ref().map(|to| format!("moved to {to}"));
    }

    fn put_back(&mut self, ticket: &Ticket) {
        if let Some(record) = self.records.get_mut(&ticket.key).filter(|record| moves(record, ticket)) {
            record.state = Life::Queued;
            record.parcel = None;
        }
    }
}

fn moves(record: &Record, ticket: &Ticket) -> bool {
    record.state == Life::Moving && record.parcel == Some(ticket.id)
}

/// The parcel's work, and the counts of its source.
fn arrive(record: &mut Record, parcel: &Parcel, step: &Step<'_>) {
    record.become_work(Work::of_parcel(parcel));
    (record.due_at, record.added_at) = (parcel.due_at, parcel.added_at);
    if !step.has(Fault::ArrivalsStartCountingAgain) {
        (record.attempts, record.crashes) = (parcel.attempts, parcel.crashes);
        (record.failures, record.crashed_in_a_row) = (parcel.failures, parcel.crashed_in_a_row);
    }
    if parcel.error.is_some() {
        record.error.clone_from(&parcel.error);
    }
}

fn parcel_of(record: &Record, id: ParcelId) -> Parcel {
    let work = &record.work;
    Parcel {
        id,
        key: record.key.clone(),
        name: work.name.clone(),
        queue: work.queue.clone(),
        args: work.args.clone(),
        visible_at: work.visible_at,
        due_at: record.due_at,
        added_at: record.added_at,
        every: work.every,
        overrides: work.overrides,
        attempts: record.attempts,
        crashes: record.crashes,
        failures: record.failures,
        crashed_in_a_row: record.crashed_in_a_row,
        fence: record.fence(),
        error: record.error.clone(),
        placed_by: record.origin().0,
    }
}

#[async_trait]
impl Relocate for ModelStore {
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<TakenOut> {
        let ahead = self.offset().ahead;
        let taken = self.change(|docket, now| docket.take_out(to, id, limit, now))?;
        let parcels = taken.parcels.into_iter().map(|parcel| parcel.behind_by(ahead)).collect();
        Ok(TakenOut { parcels, ..taken })
    }

    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        let ahead = self.offset().ahead;
        self.change(|docket, now| {
            let ahead = |parcel: &Parcel| parcel.clone().ahead_by(ahead);
            let one = |parcel: &Parcel| parcel.check().and_then(|()| docket.take_in(&ahead(parcel), Door::Open, now));
            self.items(parcels, |parcel| parcel.args.len(), one)
        })
    }

    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        bound::batch(parcels.iter().map(|parcel| parcel.args.len()))?;
        Ok(self.change(|docket, now| parcels.iter().map(|parcel| docket.take_in(parcel, Door::Closed, now)).collect()))
    }

    async fn let_go(&self, tickets: &[Ticket]) -> Result<()> {
        bound::batch(tickets.iter().map(|_| 0))?;
        self.change(|docket, now| tickets.iter().for_each(|ticket| docket.let_go(ticket, now)));
        Ok(())
    }

    async fn put_back(&self, tickets: &[Ticket]) -> Result<()> {
        bound::batch(tickets.iter().map(|_| 0))?;
        self.change(|docket, _| tickets.iter().for_each(|ticket| docket.put_back(ticket)));
        Ok(())
    }
}
