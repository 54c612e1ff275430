//! From a sequence to calls with ids, the same for every store except for the fences in its tokens.

use std::time::Duration;

use docket_core::{
    Ack, AddId, CancelId, Destination, Fence, Heartbeat, KnownName, LeaseRequest, LeaseToken, NewTask, Outcome,
    Overrides, Parcel, ParcelId, Payload, Queue, RequestId, RunAt, TaskKey, TaskName, Timestamp, WorkerId,
    WorkerRecord,
};
use uuid::Uuid;

use super::op::{Asking, Call, End, Ending, Item, Said, Step, Time};

/// The known names, and one that nobody adds.
const NAMES: [&str; 3] = ["work", "mail", "ghost"];
const QUEUES: [&str; 2] = ["default", "bulk"];
const PLACES: [&str; 2] = ["there", "elsewhere"];
const KEYS: [&str; 5] = ["e", "d", "c", "b", "a"];

/// A call as it is sent, and sent again.
#[derive(Clone, Debug)]
pub(super) enum Issued {
    Add(Vec<NewTask>),
    Schedule(Vec<NewTask>),
    Lease(LeaseRequest),
    Heartbeat(Heartbeat),
    Ack(Vec<Ack>),
    Cancel(TaskKey, CancelId),
    Requeue(TaskKey, Option<Fence>),
    TakeOut(Destination, ParcelId, usize),
    Move(Step, Vec<Parcel>),
    Clear,
}

/// The knowledge of a caller when it makes a call.
pub(super) struct Known<'a> {
    pub(super) now: Timestamp,
    /// The tokens that some caller got, the latest last.
    pub(super) tokens: &'a [LeaseToken],
    /// The parcels that some caller got, the latest last.
    pub(super) parcels: &'a [Parcel],
    /// The fence that the record of a key shows, looked up for requeues.
    pub(super) fence: Option<Fence>,
}

/// Makes ids in a row, so that a sequence is the same each time it is played.
#[derive(Debug, Default)]
pub(super) struct Issuer {
    count: u128,
}

impl Issuer {
    pub(super) fn issue(&mut self, call: &Call, known: &Known<'_>) -> Issued {
        match call {
            Call::Add(items) => Issued::Add(self.tasks(items, known.now)),
            Call::Schedule(items) => Issued::Schedule(self.tasks(items, known.now)),
            Call::Lease(asking) => Issued::Lease(self.request(asking)),
            Call::Heartbeat { worker, tokens } => Issued::Heartbeat(Heartbeat {
                worker: record(*worker),
                tokens: tokens.iter().filter_map(|back| latest(known.tokens, *back)).collect(),
                lease_for: Duration::from_secs(10),
            }),
            Call::Ack(endings) => Issued::Ack(endings.iter().filter_map(|ending| self.ack(ending, known)).collect()),
            Call::Cancel { key: at } => Issued::Cancel(key(*at), CancelId::from_uuid(self.id())),
            Call::Requeue { key: at } => Issued::Requeue(key(*at), known.fence),
            Call::TakeOut { limit, place } => {
                let to = Destination::new(PLACES[place % PLACES.len()]).expect("a good place");
                Issued::TakeOut(to, ParcelId::from_uuid(self.id()), *limit)
            }
            Call::Move { step, parcels } => {
                Issued::Move(*step, parcels.iter().filter_map(|back| latest(known.parcels, *back)).collect())
            }
            Call::Clear => Issued::Clear,
        }
    }

    fn id(&mut self) -> Uuid {
        self.count += 1;
        Uuid::from_u128(self.count)
    }

    fn payload(&mut self) -> Payload {
        self.count += 1;
        Payload::new(self.count.to_string())
    }

    fn tasks(&mut self, items: &[Item], now: Timestamp) -> Vec<NewTask> {
        items.iter().map(|item| self.task(item, now)).collect()
    }

    fn task(&mut self, item: &Item, now: Timestamp) -> NewTask {
        let declared_for = item.every.filter(|_| item.declared).map(|_| Duration::from_secs(30));
        let overrides = Overrides { max_attempts: item.max_attempts, max_crashes: item.max_crashes };
        NewTask {
            key: key(item.key),
            add_id: AddId::from_uuid(self.id()),
            name: name(item.name),
            queue: queue(item.queue),
            args: if declared_for.is_some() { Payload::new("declared") } else { self.payload() },
            run_at: run_at(item.time, now),
            every: item.every,
            overrides: if declared_for.is_some() { Overrides::default() } else { overrides },
            declared_for,
        }
    }

    fn request(&mut self, asking: &Asking) -> LeaseRequest {
        LeaseRequest {
            request: RequestId::from_uuid(self.id()),
            worker: record(asking.worker),
            queues: queues(asking.queues),
            names: names(asking.names, asking.max_crashes),
            count: asking.count,
            suspects: asking.suspects,
            lease_for: asking.lease,
            wait: Duration::ZERO,
            order: asking.order,
        }
    }

    fn ack(&mut self, ending: &Ending, known: &Known<'_>) -> Option<Ack> {
        Some(Ack {
            token: latest(known.tokens, ending.token)?,
            outcome: self.outcome(ending.outcome, known.now),
            max_attempts: ending.max_attempts,
            retention: ending.retention,
        })
    }

    fn outcome(&mut self, end: End, now: Timestamp) -> Outcome {
        match end {
            End::Completed(said) => Outcome::Completed(self.said(said)),
            End::Unkept => Outcome::Unkept { error: self.error() },
            End::Retry(after) => Outcome::Retry { after, error: self.error() },
            End::Snooze(after) => Outcome::Snooze { after },
            End::Undecodable(after) => Outcome::Undecodable { after, error: self.error() },
            End::Release => Outcome::Release,
            End::Dead => Outcome::Dead { error: self.error() },
            End::Repeat(time, said) => Outcome::Repeat { at: run_at(time, now), args: self.said(said) },
            End::Cancelled => Outcome::Cancelled,
        }
    }

    fn said(&mut self, said: Said) -> Option<Payload> {
        match said {
            Said::Something => Some(self.payload()),
            Said::Nothing => None,
        }
    }

    fn error(&mut self) -> String {
        self.count += 1;
        format!("failure {}", self.count)
    }
}

/// Every key a sequence can name.
pub(super) fn keys() -> impl Iterator<Item = TaskKey> {
    (0..KEYS.len()).map(key)
}

pub(super) fn key(at: usize) -> TaskKey {
    TaskKey::new(KEYS[at % KEYS.len()]).expect("a good key")
}

fn name(at: usize) -> TaskName {
    TaskName::new(NAMES[at % NAMES.len()]).expect("a good name")
}

fn queue(at: usize) -> Queue {
    Queue::new(QUEUES[at % QUEUES.len()]).expect("a good queue")
}

/// Mostly both queues, in either order.
fn queues(at: usize) -> Vec<Queue> {
    match at {
        0 | 1 => vec![queue(0), queue(1)],
        2 | 3 => vec![queue(1), queue(0)],
        4 => vec![queue(0)],
        _ => vec![queue(1)],
    }
}

/// Mostly both names that exist.
fn names(at: usize, max_crashes: u32) -> Vec<KnownName> {
    let known = |some: &[usize]| some.iter().map(|at| KnownName { name: name(*at), max_crashes }).collect();
    match at {
        0..=4 => known(&[0, 1]),
        5 => known(&[0]),
        6 => known(&[1, 2]),
        _ => known(&[2]),
    }
}

fn record(worker: usize) -> WorkerRecord {
    WorkerRecord {
        id: WorkerId::new(format!("worker-{worker}")).expect("a good worker id"),
        queues: vec![queue(0), queue(1)],
        names: vec![(name(0), queue(0)), (name(1), queue(1))],
        concurrency: 4,
        running: 0,
        settled: 0,
        ttl: Duration::from_secs(30),
    }
}

fn run_at(time: Time, now: Timestamp) -> RunAt {
    match time {
        Time::Now => RunAt::Now,
        Time::In(delay) => RunAt::In(delay),
        Time::After(delay) => RunAt::At(now.plus(delay)),
        Time::Before(delay) => RunAt::At(Timestamp::from_micros(now.as_micros() - docket_core::micros(delay))),
    }
}

fn latest<T: Clone>(all: &[T], back: usize) -> Option<T> {
    all.len().checked_sub(back % all.len().max(1) + 1).map(|at| all[at].clone())
}
