//! Properties of any sequence of calls: records and indexes agree, a repeated call changes nothing,
//! and the invariants that one table can show.

use std::collections::HashMap;
use std::time::Duration;

use docket_core::{
    Ack, AddAnswer, AddId, CancelId, Fence, HeartbeatAnswer, KnownName, Lease, LeaseOrder, LeaseRequest, LeaseSuspects,
    LeaseToken, ListFilter, NewTask, Outcome, Overrides, Payload, Queue, RequestId, RunAt, TaskKey, TaskName,
    Timestamp, WorkerId, WorkerRecord, limits,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Asked, Table, Turn};

const KEYS: usize = 6;
const LEASE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
enum Call {
    Add(Draft),
    Schedule(Draft),
    Lease {
        count: usize,
        names: usize,
        one_suspect: bool,
        earliest: bool,
    },
    /// Any lease call made so far, repeated late.
    LeaseAgain(Index),
    /// A heartbeat or an ack of any lease made so far.
    Heartbeat(Index),
    Ack(Index, Outcome),
    Cancel(usize),
    Requeue(usize),
    /// Time passes, up to two leases.
    Pass(u64),
}

#[derive(Clone, Debug)]
struct Draft {
    key: usize,
    name: usize,
    after_secs: u64,
    periodic: bool,
    max_crashes: Option<u32>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let parts =
        (0..KEYS, 0..2_usize, prop_oneof![Just(0), 0..20_u64], prop::bool::weighted(0.3), any::<Option<bool>>());
    parts.prop_map(|(key, name, after_secs, periodic, limit)| Draft {
        key,
        name,
        after_secs,
        periodic,
        max_crashes: limit.map(|low| if low { 1 } else { 3 }),
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let after = Duration::from_secs(3);
    prop_oneof![
        Just(Outcome::Completed(None)),
        Just(Outcome::Unkept { error: "too large".to_owned() }),
        Just(Outcome::Retry { after, error: "it failed".to_owned() }),
        Just(Outcome::Snooze { after }),
        Just(Outcome::Undecodable { after, error: "another build's".to_owned() }),
        Just(Outcome::Release),
        Just(Outcome::Dead { error: "it is hopeless".to_owned() }),
        Just(Outcome::Repeat { at: RunAt::In(after), args: Some(Payload::new("again")) }),
        Just(Outcome::Cancelled),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => draft().prop_map(Call::Add),
        2 => draft().prop_map(Call::Schedule),
        6 => (1..4_usize, 1..3_usize, any::<bool>(), any::<bool>())
            .prop_map(|(count, names, one_suspect, earliest)| Call::Lease { count, names, one_suspect, earliest }),
        1 => any::<Index>().prop_map(Call::LeaseAgain),
        2 => any::<Index>().prop_map(Call::Heartbeat),
        5 => (any::<Index>(), outcome()).prop_map(|(lease, outcome)| Call::Ack(lease, outcome)),
        1 => (0..KEYS).prop_map(Call::Cancel),
        1 => (0..KEYS).prop_map(Call::Requeue),
        4 => (0..20_u64).prop_map(Call::Pass),
    ]
}

/// A table, its time, and all leases it has made.
struct Scene {
    table: Table,
    now: Timestamp,
    requests: Vec<(LeaseRequest, Timestamp)>,
    leases: Vec<Lease>,
    newest: HashMap<TaskKey, Fence>,
}

fn key(n: usize) -> TaskKey {
    TaskKey::new(format!("key-{n}")).unwrap()
}

fn name(n: usize) -> TaskName {
    TaskName::new(format!("name-{n}")).unwrap()
}

fn task(draft: &Draft) -> NewTask {
    NewTask {
        key: key(draft.key),
        add_id: AddId::unique(),
        name: name(draft.name),
        queue: Queue::new(format!("queue-{}", draft.key % 2)).unwrap(),
        args: Payload::new("args"),
        run_at: RunAt::In(Duration::from_secs(draft.after_secs)),
        every: draft.periodic.then_some(Duration::from_secs(5)),
        overrides: Overrides { max_attempts: None, max_crashes: draft.max_crashes },
        declared_for: draft.periodic.then_some(Duration::from_secs(7)).filter(|_| draft.after_secs.is_multiple_of(2)),
    }
}

fn request(count: usize, names: usize, suspects: LeaseSuspects, order: LeaseOrder) -> LeaseRequest {
    let queues = vec![Queue::new("queue-0").unwrap(), Queue::new("queue-1").unwrap()];
    LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new("worker").unwrap(),
            queues: queues.clone(),
            names: Vec::new(),
            concurrency: count,
            running: 0,
            settled: 0,
            ttl: LEASE,
        },
        queues,
        names: (0..names).map(|n| KnownName { name: name(n), max_crashes: 4 }).collect(),
        count,
        suspects,
        lease_for: LEASE,
        wait: Duration::ZERO,
        order,
    }
}

impl Scene {
    fn new() -> Self {
        let now = Timestamp::from_micros(1_000_000);
        Self { table: Table::new(1_000), now, requests: Vec::new(), leases: Vec::new(), newest: HashMap::new() }
    }

    /// Makes a call twice, as after a lost reply.
    fn make(&mut self, call: &Call) {
        match call {
            Call::Add(draft) => {
                let task = task(draft);
                let answer = self.twice(|table, now| table.add(&task, now).unwrap());
                let state = self.table.get(&task.key, self.now).unwrap().state;
                assert!(answer != AddAnswer::Added || !state.is_finished(), "added, and {state}");
            }
            Call::Schedule(draft) => {
                let task = task(draft);
                self.twice(|table, now| table.schedule(&task, now).unwrap());
            }
            Call::Lease { count, names, one_suspect, earliest } => {
                let suspects = if *one_suspect { LeaseSuspects::Allow } else { LeaseSuspects::Avoid };
                let order = if *earliest { LeaseOrder::Earliest } else { LeaseOrder::Precedence };
                self.lease(&request(*count, *names, suspects, order), *names);
            }
            Call::LeaseAgain(n) => self.lease_again(*n),
            Call::Heartbeat(lease) => {
                let Some(token) = self.token(*lease) else { return };
                let answer = self.twice(|table, now| table.extend(&token, LEASE, now));
                assert!(answer == HeartbeatAnswer::Lost || self.newest[&token.key] == token.fence, "two live leases");
            }
            Call::Ack(lease, outcome) => {
                let Some(token) = self.token(*lease) else { return };
                let ack = Ack { token, outcome: outcome.clone(), max_attempts: 3, retention: 2 * LEASE };
                self.twice(|table, now| table.ack(&ack, now).ok());
            }
            Call::Cancel(n) => {
                let id = CancelId::unique();
                self.twice(|table, now| table.cancel(&key(*n), id, now).ok());
            }
            Call::Requeue(n) => {
                let fence = self.table.get(&key(*n), self.now).and_then(|view| view.fence);
                self.twice(|table, now| table.requeue(&key(*n), fence, now).ok());
            }
            Call::Pass(secs) => self.now = self.now.plus(Duration::from_secs(*secs)),
        }
    }

    fn lease(&mut self, request: &LeaseRequest, names: usize) {
        let asked = Asked::new(request);
        let leases = self.twice(|table, now| table.lease(&asked, Turn::Last, now).reply.leases);
        assert!(leases.len() <= request.count);
        let suspects = leases.iter().filter(|lease| lease.crashes >= 2).count();
        assert!(suspects <= usize::from(request.suspects == LeaseSuspects::Allow), "{suspects} suspects");
        for lease in &leases {
            assert!(lease.due_at <= self.now, "early by {:?}", lease.due_at.since(self.now));
            assert!((0..names).any(|n| name(n) == lease.name), "nobody asked for {}", lease.name);
            let newest = self.newest.values().max().copied();
            assert!(Some(lease.token.fence) > newest, "the fence went back");
            self.newest.insert(lease.token.key.clone(), lease.token.fence);
        }
        self.leases.extend(leases);
        self.requests.push((request.clone(), self.now));
    }

    fn lease_again(&mut self, n: Index) {
        if self.requests.is_empty() {
            return;
        }
        let (request, answered_at) = n.get(&self.requests).clone();
        if self.now.since(answered_at) >= limits::REQUEST_MEMORY {
            return;
        }
        let asked = Asked::new(&request);
        for lease in self.twice(|table, now| table.lease(&asked, Turn::Last, now).reply.leases) {
            assert_eq!(lease.token.request, request.request);
            assert_eq!(self.newest[&lease.token.key], lease.token.fence, "a repetition took something new");
        }
    }

    fn token(&self, lease: Index) -> Option<LeaseToken> {
        (!self.leases.is_empty()).then(|| lease.get(&self.leases).token.clone())
    }

    fn twice<T: PartialEq + std::fmt::Debug>(&mut self, step: impl Fn(&mut Table, Timestamp) -> T) -> T {
        let first = step(&mut self.table, self.now);
        let after_first = self.everything();
        assert_eq!(step(&mut self.table, self.now), first, "the answer of the repetition");
        assert_eq!(self.everything(), after_first, "the effect of the repetition");
        first
    }

    fn everything(&self) -> String {
        let page = self.table.list(&ListFilter::default(), None, 1_000, self.now).unwrap();
        format!("{:?} {page:?}", self.table.counters)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(calls in vec(call(), 1..60)) {
        let mut scene = Scene::new();
        for call in &calls {
            scene.make(call);
            let defects = scene.table.audit();
            prop_assert!(defects.is_empty(), "after {call:?}: {defects:#?}");
        }
    }

    #[test]
    fn pages_show_every_task_once(drafts in vec(draft(), 1..30), limit in 1..5_usize) {
        let mut scene = Scene::new();
        for (n, draft) in drafts.iter().enumerate() {
            let task = NewTask { key: key(n), ..task(draft) };
            scene.table.add(&task, scene.now).unwrap();
            if n % 3 == 0 {
                scene.lease(&request(1, 2, LeaseSuspects::Allow, LeaseOrder::Precedence), 2);
            }
            if n % 5 == 0 {
                scene.table.cancel(&key(n), CancelId::unique(), scene.now).unwrap();
            }
        }
        let (mut cursor, mut keys) = (None, Vec::new());
        loop {
            let page = scene.table.list(&ListFilter::default(), cursor.as_ref(), limit, scene.now).unwrap();
            keys.extend(page.tasks.into_iter().map(|task| task.key));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        keys.sort();
        let mut all: Vec<_> = (0..drafts.len()).map(key).collect();
        all.sort();
        prop_assert_eq!(keys, all);
    }
}

/// An audit that finds nothing proves something only if it can find a defect.
#[test]
fn the_audit_sees_a_record_that_changed_beside_its_index() {
    let mut scene = Scene::new();
    scene.make(&Call::Add(Draft { key: 1, name: 0, after_secs: 5, periodic: false, max_crashes: None }));
    assert!(scene.table.audit().is_empty());
    let slot = scene.table.records.find(&key(1)).unwrap();
    scene.table.records[slot].visible_at = scene.now;
    assert_eq!(scene.table.audit(), ["the record key-1 (Queued) is not in its index"]);
    scene.table.records.remove(slot);
    assert_eq!(scene.table.audit().len(), 2, "{:?}", scene.table.audit());
}
