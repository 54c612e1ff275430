//! Queued and due → Leased.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use docket_core::{Lease, LeaseOrder, LeaseReply, LeaseSuspects, LeaseToken, Swept, Timestamp, limits};

use super::Table;
use super::asked::{Asked, RankedLane};
use super::lane::Kind;
use super::lanes::LaneNo;
use super::life::Moment;
use super::record::{Held, Phase, Place, Record};
use super::slots::Slot;
use super::workers::Sign;

/// Whether an empty result ends the call: a poll inside a wait that found nothing does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    Last,
    MayWait,
}

/// The result of one poll.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) reply: LeaseReply,
    /// The request is answered, and remembered with the leases it got.
    pub(crate) answered: bool,
}

/// The first due task of one of several lanes; the earliest comes first out of a heap. The slot
/// does not affect the order.
type Due = Reverse<(Place, LaneNo, Kind, Slot)>;

/// The leases that one poll has taken so far.
#[derive(Default)]
struct Taking {
    leases: Vec<Lease>,
    /// The slot of each.
    slots: Vec<Slot>,
    bytes: usize,
    suspect: bool,
    full: bool,
}

impl Table {
    /// One lease call, or one poll of a call that waits. Repeated: the request is remembered, so
    /// its leases that nobody has retaken are returned with a new deadline, and nothing new is
    /// leased.
    pub(crate) fn lease(&mut self, asked: &Asked, turn: Turn, now: Timestamp) -> Look {
        self.workers.write(&asked.worker, Sign::Lease, now);
        let mut swept = Swept { dead_trimmed: self.trim(0, now), ..Swept::default() };
        let mut taking = Taking::default();
        let mut lanes = self.lanes_of(asked);
        let before = self.requests.taken_by(asked.request);
        if let Some(slots) = &before {
            self.take_again(slots, asked, &mut taking, now);
        } else {
            self.sweep(asked, &lanes, now, &mut swept);
            if swept.crashed > 0 {
                // A successor may have appeared in another lane.
                lanes = self.lanes_of(asked);
            }
            self.take_new(asked, &mut lanes, &mut taking, now);
        }
        let answered = before.is_some() || !taking.leases.is_empty() || turn == Turn::Last;
        if answered && before.is_none() {
            let first = taking.leases.first().map(|lease| lease.token.fence);
            self.requests.remember(asked.request, std::mem::take(&mut taking.slots), first, now);
        }
        if answered && !asked.wait.is_zero() {
            self.pass_on(&lanes);
        }
        let head_at = self.look_ahead(asked, &lanes, &taking);
        let reply = LeaseReply {
            leases: taking.leases.into_iter().map(|lease| lease.behind_by(self.offset.ahead)).collect(),
            next_visible: head_at.map(|at| at.since(now)),
            oldest_ready: head_at.filter(|at| *at <= now).map(|at| now.since(at)),
            swept,
            looked_at: None,
            clock: self.offset.clock,
        };
        Look { reply, answered }
    }

    /// The earlier leases of this request that nobody has retaken, with a new deadline.
    fn take_again(&mut self, slots: &[Slot], asked: &Asked, taking: &mut Taking, now: Timestamp) {
        for slot in slots {
            let holder = self.records.at(*slot).and_then(Record::holder);
            if holder.is_none_or(|(request, _)| request != asked.request) {
                continue;
            }
            let lease = self.change(*slot, now, |record, _| {
                record.visible_at = now.plus(asked.lease);
                record.lease()
            });
            taking.suspect |= self.records[*slot].is_suspect();
            taking.add(*slot, lease);
        }
    }

    fn take_new(&mut self, asked: &Asked, lanes: &mut [RankedLane], taking: &mut Taking, now: Timestamp) {
        match asked.order {
            LeaseOrder::Earliest => self.take_from(lanes, asked, taking, now),
            LeaseOrder::Precedence => {
                lanes.sort_unstable_by_key(|(rank, _)| *rank);
                for queue in lanes.chunk_by(|(a, _), (b, _)| a == b) {
                    self.take_from(queue, asked, taking, now);
                }
            }
        }
    }

    /// Leases due tasks of several lanes together: earliest first, then in the order of adding.
    fn take_from(&mut self, lanes: &[RankedLane], asked: &Asked, taking: &mut Taking, now: Timestamp) {
        let kinds: &[Kind] = if asked.suspects == LeaseSuspects::Allow { &Kind::ALL } else { &[Kind::Usual] };
        let mut heads = BinaryHeap::new();
        for (_, lane) in lanes {
            heads.extend(kinds.iter().filter_map(|kind| self.first_due(*lane, *kind, now)));
        }
        while let Some(Reverse((_, lane, kind, slot))) = heads.pop() {
            if kind == Kind::Suspect && taking.suspect {
                continue;
            }
            taking.full |= taking.leases.len() >= asked.count || !taking.has_room_for(&self.records[slot]);
            if taking.full {
                return;
            }
            taking.suspect |= kind == Kind::Suspect;
            let lease = self.change(slot, now, |record, moment| record.lend(asked, moment));
            taking.add(slot, lease);
            heads.extend(self.first_due(lane, kind, now));
        }
    }

    fn first_due(&self, lane: LaneNo, kind: Kind, now: Timestamp) -> Option<Due> {
        let (place, slot) = self.indexes.lanes[lane].lines(kind).queued.first()?;
        (place.0 <= now).then_some(Reverse((place, lane, kind, slot)))
    }

    /// When the next task that this request could lease becomes visible.
    fn look_ahead(&self, asked: &Asked, lanes: &[RankedLane], taking: &Taking) -> Option<Timestamp> {
        let suspects = asked.suspects == LeaseSuspects::Allow && !taking.suspect;
        let kinds: &[Kind] = if suspects { &Kind::ALL } else { &[Kind::Usual] };
        let lanes = lanes.iter().map(|(_, lane)| &self.indexes.lanes[*lane]);
        lanes.flat_map(|lane| kinds.iter().filter_map(|kind| lane.lines(*kind).head_at())).min()
    }

    /// Wakes other waiters for the lanes of a request that ends its wait: another waiter must poll
    /// for the tasks that it leaves, and at the times at which it would have polled. A request that
    /// never waited was never woken, so it leaves nothing to others.
    fn pass_on(&mut self, lanes: &[RankedLane]) {
        for (_, lane) in lanes {
            for kind in Kind::ALL {
                self.indexes.wake(*lane, kind);
            }
        }
    }

    /// Wakes others for the lanes of a request that was dropped during its wait.
    pub(crate) fn hand_over(&mut self, asked: &Asked) {
        self.pass_on(&self.lanes_of(asked));
    }
}

impl Taking {
    /// Whether a reply stops here, so that its bytes stay below the bound. A reply has at least one
    /// lease.
    fn has_room_for(&self, record: &Record) -> bool {
        self.leases.is_empty() || self.bytes + record.work.args.len() <= limits::BATCH_BYTES_MAX
    }

    fn add(&mut self, slot: Slot, lease: Lease) {
        self.bytes += lease.args.len();
        self.leases.push(lease);
        self.slots.push(slot);
    }
}

impl Record {
    fn lend(&mut self, asked: &Asked, moment: &mut Moment<'_>) -> Lease {
        self.phase = Phase::Leased;
        self.visible_at = moment.now.plus(asked.lease);
        self.held = Some(Held {
            fence: moment.counters.next_fence(moment.now),
            request: asked.request,
            worker: asked.worker.id.clone(),
            leased_at: moment.now,
        });
        self.lease()
    }

    /// The lease of a leased record.
    fn lease(&self) -> Lease {
        let held = self.held.as_ref().expect("a leased record is held");
        Lease {
            token: LeaseToken { key: self.key.clone(), fence: held.fence, request: held.request },
            name: self.work.lane.name.clone(),
            queue: self.work.lane.queue.clone(),
            args: self.work.args.clone(),
            attempts: self.attempts,
            crashes: self.crashes,
            deadline: self.visible_at,
            leased_at: held.leased_at,
            due_at: self.due_at,
            every: self.work.every,
            overrides: self.work.overrides,
            undecodable_since: self.undecodable_since,
        }
    }
}
