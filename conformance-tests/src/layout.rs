//! Every call that writes, made by a build that does not know the docket's layout. How a store is given another layout is
//! its own business, so each backend's tests do that and call this.

use std::time::Duration;

use docket_core::{
    Ack, CancelId, Destination, Error, ErrorKind, Heartbeat, KnownName, Lease, LeaseOrder, LeaseRequest, LeaseSuspects,
    NewTask, Outcome, Parcel, ParcelId, Payload, Queue, RequestId, Store, TaskKey, TaskName, WorkerId, WorkerRecord,
};

const NAME: &str = "work";

/// The tasks before: one that runs, one that moves away, one that is dead and one that waits.
#[derive(Debug)]
pub struct Before {
    lease: Lease,
    parcel: Parcel,
}

fn key(text: &str) -> TaskKey {
    TaskKey::new(text).expect("a key")
}

pub(crate) fn task(text: &str) -> NewTask {
    NewTask { key: key(text), ..NewTask::new(TaskName::new(NAME).expect("a name"), Payload::new("{}")) }
}

pub(crate) fn ask(count: usize) -> LeaseRequest {
    let (name, queue) = (TaskName::new(NAME).expect("a name"), Queue::default());
    LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new("worker").expect("an id"),
            queues: vec![queue.clone()],
            names: vec![(name.clone(), queue.clone())],
            concurrency: 1,
            running: 0,
            settled: 0,
            ttl: Duration::from_mins(1),
        },
        queues: vec![queue],
        names: vec![KnownName { name, max_crashes: 5 }],
        count,
        suspects: LeaseSuspects::Allow,
        lease_for: Duration::from_mins(1),
        wait: Duration::ZERO,
        order: LeaseOrder::Precedence,
    }
}

fn ack(lease: &Lease, outcome: Outcome) -> Ack {
    Ack { token: lease.token.clone(), outcome, max_attempts: 3, retention: Duration::from_mins(1) }
}

/// Adds them, while the layout is ours.
///
/// # Panics
///
/// When a call on the store fails.
pub async fn before(store: &dyn Store) -> Before {
    store.add(&[task("dead"), task("running")]).await.expect("it takes tasks");
    let mut leases = store.lease(&ask(2)).await.expect("it leases").leases;
    let (lease, dead) = (leases.pop().expect("the second"), leases.pop().expect("the first"));
    store.ack(&[ack(&dead, Outcome::Dead { error: "no".to_owned() })]).await.expect("it settles");
    store.add(&[task("moving")]).await.expect("it takes tasks");
    let place = Destination::new("elsewhere").expect("a place");
    let parcel = store.take_out(&place, ParcelId::unique(), 1).await.expect("it takes out").parcels.remove(0);
    store.add(&[task("waiting")]).await.expect("it takes tasks");
    Before { lease, parcel }
}

/// Makes every call that writes: each must answer `Conflict`, with both of these numbers in its words.
///
/// # Panics
///
/// When one does not.
pub async fn every_write_is_refused(store: &dyn Store, before: &Before, numbers: [&str; 2]) {
    let refused = |verb: &str, error: Option<Error>| {
        let error = error.unwrap_or_else(|| panic!("{verb} was answered"));
        assert_eq!(error.kind(), ErrorKind::Conflict, "{verb}: {error:?}");
        let said = error.to_string();
        assert!(numbers.iter().all(|number| said.contains(number)) && !error.is_retryable(), "{verb}: {said}");
    };
    let Before { lease, parcel } = before;
    let (tasks, parcels, tickets) = ([task("new")], [parcel.clone()], [parcel.ticket()]);
    refused("add", store.add(&tasks).await.err());
    refused("schedule", store.schedule(&tasks).await.err());
    refused("lease", store.lease(&ask(1)).await.err());
    let worker = ask(1).worker;
    let beat = Heartbeat { worker, lease_for: Duration::from_mins(1), tokens: vec![lease.token.clone()] };
    refused("heartbeat", store.heartbeat(&beat).await.err());
    let acks = [ack(lease, Outcome::Completed(None))];
    refused("ack", store.ack(&acks).await.err());
    refused("cancel", store.cancel(&key("waiting"), CancelId::unique()).await.err());
    refused("requeue", store.requeue(&key("dead"), None).await.err());
    refused("clear", store.clear().await.err());
    refused("join", store.join(None).await.err());
    let place = Destination::new("elsewhere").expect("a place");
    refused("take out", store.take_out(&place, ParcelId::unique(), 1).await.err());
    refused("take in", store.take_in(&parcels).await.err());
    refused("turn away", store.turn_away(&parcels).await.err());
    refused("let go", store.let_go(&tickets).await.err());
    refused("put back", store.put_back(&tickets).await.err());
}
