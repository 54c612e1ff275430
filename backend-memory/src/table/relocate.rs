//! Queued → Moving; Moving → Cancelled, or Queued again. Absent or finished → Queued, by a parcel.

use docket_core::{
    Arrival, Destination, Error, ErrorKind, Key, Parcel, ParcelId, Result, Ticket, Timestamp, Verb, limits, words,
};

use super::Table;
use super::lane::{Kind, Lines};
use super::record::{Answered, CallId, LaneId, Origin, Phase, Place, Record, Work};

/// Whether a parcel may still come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    Open,
    Closed,
}

impl Table {
    /// Takes tasks out of their lines. Twice: what was taken out comes first, and then more.
    pub(crate) fn take_out(
        &mut self,
        to: &Destination,
        id: ParcelId,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Parcel>> {
        let limit = limit.min(limits::BATCH_ITEMS_MAX);
        let mut moving = self.first(Phase::Moving, limit.max(1));
        if let Some(elsewhere) = self.moving_to.as_ref().filter(|other| *other != to && !moving.is_empty()) {
            let message = format!("its tasks move to {elsewhere} already; finish that move, or abandon it");
            return Err(Error::new(ErrorKind::Conflict, "take tasks out", message));
        }
        self.moving_to = Some(to.clone());
        moving.truncate(limit);
        let lanes: Vec<_> = self.indexes.lanes.keys().map(|lane| (0, lane.clone())).collect();
        self.sweep_all(&lanes, now);
        let (mut parcels, mut bytes) = (Vec::new(), 0);
        let queued = self.first(Phase::Queued, limit - moving.len());
        for (_, key) in moving.into_iter().chain(queued) {
            bytes += self.records[&key].work.args.len();
            if bytes > limits::BATCH_BYTES_MAX && !parcels.is_empty() {
                break;
            }
            self.change(&key, now, |record, _| record.leave(id));
            parcels.push(self.records[&key].parcel());
        }
        Ok(parcels)
    }

    /// The first tasks of all lines together.
    fn first(&self, wanted: Phase, limit: usize) -> Vec<(Place, Key)> {
        let lines = self.indexes.lanes.values().flat_map(|lane| Kind::ALL.map(|kind| lane.lines(kind)));
        let lines = lines.flat_map(Lines::all).filter(|(phase, _)| *phase == wanted);
        let heads = lines.flat_map(|(_, line)| line.iter().take(limit));
        let mut heads: Vec<_> = heads.map(|(place, key)| (*place, key.clone())).collect();
        heads.sort_unstable();
        heads.truncate(limit);
        heads
    }

    /// Takes one parcel in, or turns it away for good. Twice: the record knows the parcel and gives its first answer.
    pub(crate) fn take_in(&mut self, parcel: &Parcel, door: Door, now: Timestamp) -> Result<Arrival> {
        let (key, id) = (&parcel.key, CallId::Parcel(parcel.id));
        let known = self.records.get(key);
        if let Some(Answered::Arrived(answer)) = known.and_then(|record| record.calls.answered(id)) {
            return Ok(answer);
        }
        if let Some(fence) = parcel.fence {
            self.counters.pass_fence(fence);
        }
        let overtakes = parcel.placed_by == Verb::Schedule
            && known.is_some_and(|record| matches!(record.calls.origin(), Origin::Arrived(_)));
        let answer = match known.map(|record| record.phase) {
            None if door == Door::Closed => {
                self.create(key, Work { every: None, ..Work::of(parcel) }, now);
                self.change(key, now, |record, moment| record.finish(Phase::Cancelled, limits::RETENTION, moment));
                Arrival::TurnedAway
            }
            _ if door == Door::Closed => Arrival::TurnedAway,
            Some(Phase::Moving) => {
                return Err(Error::new(ErrorKind::Unavailable, "take a parcel in", words::MOVING));
            }
            Some(Phase::Queued) if overtakes => {
                self.change(key, now, |record, _| record.arrive(parcel));
                Arrival::Moved
            }
            Some(Phase::Leased) if overtakes => {
                self.change(key, now, |record, _| record.follower = Some(Box::new(Work::of(parcel))));
                Arrival::Follows
            }
            Some(Phase::Queued | Phase::Leased) => Arrival::Superseded,
            None | Some(Phase::Completed | Phase::Dead | Phase::Cancelled) => {
                self.check_room("take a parcel in")?;
                self.settle_in(parcel, now);
                Arrival::Placed
            }
        };
        self.remember(key, id, Answered::Arrived(answer));
        Ok(answer)
    }

    /// A first or a further life of a key, which began elsewhere.
    fn settle_in(&mut self, parcel: &Parcel, now: Timestamp) {
        let work = Work::of(parcel);
        if self.records.contains_key(&parcel.key) {
            self.change(&parcel.key, now, |record, moment| record.live(work, moment));
        } else {
            self.create(&parcel.key, work, now);
        }
        self.change(&parcel.key, now, |record, _| record.arrive(parcel));
    }

    /// Ends a task that has arrived elsewhere. Twice: it is over.
    pub(crate) fn let_go(&mut self, ticket: &Ticket, now: Timestamp) {
        if self.is_moving(ticket) {
            let place = self.moving_to.as_ref().map_or("another store", Destination::as_str).to_owned();
            self.change(&ticket.key, now, |record, moment| {
                record.finish(Phase::Cancelled, limits::RETENTION, moment);
                record.error = Some(format!("moved to {place}"));
            });
        }
    }

    /// Gives a task its place back. Twice: it has it.
    pub(crate) fn put_back(&mut self, ticket: &Ticket, now: Timestamp) {
        if self.is_moving(ticket) {
            self.change(&ticket.key, now, |record, _| {
                record.phase = Phase::Queued;
                record.parcel = None;
            });
        }
    }

    fn is_moving(&self, ticket: &Ticket) -> bool {
        let record = self.records.get(&ticket.key);
        record.is_some_and(|record| record.phase == Phase::Moving && record.parcel == Some(ticket.id))
    }
}

impl Work {
    fn of(parcel: &Parcel) -> Self {
        Self {
            lane: LaneId { queue: parcel.queue.clone(), name: parcel.name.clone() },
            args: parcel.args.clone(),
            every: parcel.every,
            overrides: parcel.overrides,
            at: parcel.visible_at,
        }
    }
}

impl Record {
    /// Out of the line, by this call unless an earlier one did it.
    fn leave(&mut self, id: ParcelId) {
        self.phase = Phase::Moving;
        self.parcel.get_or_insert(id);
    }

    /// What is to be done, and all that was counted elsewhere.
    fn arrive(&mut self, parcel: &Parcel) {
        self.take_over(Work::of(parcel));
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
