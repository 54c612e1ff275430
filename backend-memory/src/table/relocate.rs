//! Queued → Moving; Moving → Cancelled, or Queued again. Absent or finished → Queued, by a parcel.

use docket_core::{
    Arrival, Destination, Error, ErrorKind, Parcel, ParcelId, Result, RunAt, TakenOut, Ticket, Timestamp, Verb, limits,
    words,
};

use super::Table;
use super::lane::{Kind, Lines};
use super::record::{Answered, CallId, Origin, Phase, Place, Record, Work};
use super::records::Vacancy;
use super::slots::Slot;

/// Whether this store still accepts parcels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    Open,
    Closed,
}

impl Table {
    /// Exports tasks from their lanes. Repeated: returns the exported tasks first, and then more.
    pub(crate) fn take_out(
        &mut self,
        to: &Destination,
        id: ParcelId,
        limit: usize,
        now: Timestamp,
    ) -> Result<TakenOut> {
        let limit = limit.min(limits::BATCH_ITEMS_MAX);
        let mut moving = self.first(Phase::Moving, limit.max(1));
        if let Some(elsewhere) = self.moving_to.as_ref().filter(|other| *other != to && !moving.is_empty()) {
            let message = format!("its tasks are already moving to {elsewhere}; finish that move, or abandon it");
            return Err(Error::new(ErrorKind::Conflict, "take tasks out", message));
        }
        self.moving_to = Some(to.clone());
        moving.truncate(limit);
        let lanes: Vec<_> = self.indexes.lanes.iter().map(|(no, _)| (0, no)).collect();
        let swept = self.sweep_all(&lanes, now);
        let (mut parcels, mut bytes) = (Vec::new(), 0);
        let queued = self.first(Phase::Queued, limit - moving.len());
        for (_, slot) in moving.into_iter().chain(queued) {
            bytes += self.records[slot].work.args.len();
            if bytes > limits::BATCH_BYTES_MAX && !parcels.is_empty() {
                break;
            }
            self.change(slot, now, |record, _| record.leave(id));
            parcels.push(self.records[slot].parcel().behind_by(self.offset.ahead));
        }
        Ok(TakenOut { parcels, swept })
    }

    /// The first tasks of all lanes together.
    fn first(&self, wanted: Phase, limit: usize) -> Vec<(Place, Slot)> {
        let lines = self.indexes.lanes.iter().flat_map(|(_, lane)| Kind::ALL.map(|kind| lane.lines(kind)));
        let lines = lines.flat_map(Lines::all).filter(|(phase, _)| *phase == wanted);
        let heads = lines.flat_map(|(_, line)| line.iter().take(limit));
        let mut heads: Vec<_> = heads.collect();
        heads.sort_unstable();
        heads.truncate(limit);
        heads
    }

    /// Accepts one parcel, or turns it away for good. Repeated: the record remembers the parcel and
    /// gives its first answer.
    pub(crate) fn take_in(&mut self, parcel: &Parcel, door: Door, now: Timestamp) -> Result<Arrival> {
        let parcel = &parcel.clone().ahead_by(self.offset.ahead);
        let id = CallId::Parcel(parcel.id);
        let known = self.records.look_up(&parcel.key);
        if let Some(Answered::Arrived(answer)) = known.ok().and_then(|slot| self.records[slot].calls.answered(id)) {
            return Ok(answer);
        }
        if door == Door::Open && RunAt::At(parcel.visible_at).is_too_far_from(now) {
            return Err(words::too_far("take a parcel in"));
        }
        if let Some(fence) = parcel.fence {
            self.counters.pass_fence(fence);
        }
        let overtakes = parcel.placed_by == Verb::Schedule
            && known.is_ok_and(|slot| matches!(self.records[slot].calls.origin(), Origin::Arrived(_)));
        let work = self.work_of(parcel);
        let (slot, answer) = match known.map(|slot| (slot, self.records[slot].phase)) {
            Err(vacancy) if door == Door::Closed => {
                let slot = self.create(&parcel.key, vacancy, Work { every: None, ..work }, now);
                self.change(slot, now, |record, moment| record.finish(Phase::Cancelled, limits::RETENTION, moment));
                (slot, Arrival::TurnedAway)
            }
            Ok((slot, _)) if door == Door::Closed => (slot, Arrival::TurnedAway),
            Ok((_, Phase::Moving)) => {
                return Err(Error::new(ErrorKind::Unavailable, "take a parcel in", words::MOVING));
            }
            Ok((slot, Phase::Queued)) if overtakes => {
                self.change(slot, now, |record, _| record.arrive(parcel, work));
                (slot, Arrival::Moved)
            }
            Ok((slot, Phase::Leased)) if overtakes => {
                self.change(slot, now, |record, _| record.follow(work));
                (slot, Arrival::Follows)
            }
            Ok((slot, Phase::Queued | Phase::Leased)) => (slot, Arrival::Superseded),
            Err(_) | Ok((_, Phase::Completed | Phase::Dead | Phase::Cancelled)) => {
                self.check_room("take a parcel in")?;
                (self.settle_in(parcel, known, work, now), Arrival::Placed)
            }
        };
        self.remember(slot, id, Answered::Arrived(answer));
        Ok(answer)
    }

    /// A first or a further life of a key, which began elsewhere.
    fn settle_in(&mut self, parcel: &Parcel, known: Result<Slot, Vacancy>, work: Work, now: Timestamp) -> Slot {
        let slot = match known {
            Ok(slot) => {
                self.change(slot, now, |record, moment| record.live(work.clone(), moment));
                slot
            }
            Err(vacancy) => self.create(&parcel.key, vacancy, work.clone(), now),
        };
        self.change(slot, now, |record, _| record.arrive(parcel, work));
        slot
    }

    /// Ends a task that has arrived elsewhere. Repeated: it has ended.
    pub(crate) fn let_go(&mut self, ticket: &Ticket, now: Timestamp) {
        if let Some(slot) = self.moving(ticket) {
            let place = self.moving_to.as_ref().map_or("another store", Destination::as_str).to_owned();
            self.change(slot, now, |record, moment| {
                record.finish(Phase::Cancelled, limits::RETENTION, moment);
                record.error = Some(format!("moved to {place}"));
            });
        }
    }

    /// Restores a task's position. Repeated: it is there.
    pub(crate) fn put_back(&mut self, ticket: &Ticket, now: Timestamp) {
        if let Some(slot) = self.moving(ticket) {
            self.change(slot, now, |record, _| {
                record.phase = Phase::Queued;
                record.parcel = None;
            });
        }
    }

    /// The record of this parcel, while it moves.
    fn moving(&self, ticket: &Ticket) -> Option<Slot> {
        let slot = self.records.find(&ticket.key)?;
        let record = &self.records[slot];
        (record.phase == Phase::Moving && record.parcel == Some(ticket.id)).then_some(slot)
    }

    /// The work of a parcel.
    fn work_of(&self, parcel: &Parcel) -> Work {
        Work {
            lane: self.indexes.lanes.id(&parcel.queue, &parcel.name),
            args: parcel.args.clone(),
            every: parcel.every,
            overrides: parcel.overrides,
            at: parcel.visible_at,
        }
    }
}

impl Record {
    /// Removes the task from its lane's index, unless an earlier call did.
    fn leave(&mut self, id: ParcelId) {
        self.phase = Phase::Moving;
        self.parcel.get_or_insert(id);
    }

    /// The parcel's work, and the counts of its source.
    fn arrive(&mut self, parcel: &Parcel, work: Work) {
        self.take_over(work);
        self.due_at = parcel.due_at;
        self.added_at = parcel.added_at;
        self.attempts = parcel.attempts;
        self.crashes = parcel.crashes;
        self.failures = parcel.failures;
        self.crashed_in_a_row = parcel.crashed_in_a_row;
        if parcel.error.is_some() {
            self.error.clone_from(&parcel.error);
        }
    }

    fn parcel(&self) -> Parcel {
        let (Origin::Here(placed_by) | Origin::Arrived(placed_by)) = self.calls.origin();
        Parcel {
            id: self.parcel.expect("a task that moves was taken out by a call"),
            key: self.key.clone(),
            name: self.work.lane.name.clone(),
            queue: self.work.lane.queue.clone(),
            args: self.work.args.clone(),
            visible_at: self.visible_at,
            due_at: self.due_at,
            added_at: self.added_at,
            every: self.work.every,
            overrides: self.work.overrides,
            attempts: self.attempts,
            crashes: self.crashes,
            failures: self.failures,
            crashed_in_a_row: self.crashed_in_a_row,
            fence: self.fence(),
            error: self.error.clone(),
            placed_by,
        }
    }
}
