//! The pure core at work on 10,000 tasks, for `scripts/instruction-budget` to count its
//! instructions.
//!
//! Each phase does the work of the ones before it, and then its own part, so that the difference of
//! two counts is the cost of the part. Keys, ids and payloads are the same in every run; the only
//! randomness left is where a hash map puts them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    Ack, AckAnswer, AddAnswer, AddId, Client, Context, DocketName, Failure, KnownName, Lease, LeaseOrder, LeaseRequest,
    LeaseSuspects, NewTask, Outcome, Overrides, Payload, Policy, Queue, QueueBackend, RequestId, RunAt, Task, TaskKey,
    TaskName, WorkerId, WorkerRecord, limits,
};
use docket_memory::MemoryBackend;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const TASKS: usize = 10_000;
const AUDIO_URL: &str = "https://audio.example/track/12345.mp3";
const ARGS: &str = r#"{"track_id": 12345, "audio_url": "https://audio.example/track/12345.mp3"}"#;

fn main() -> Result {
    let phase = std::env::args().nth(1).unwrap_or_default();
    let depth = ["nothing", "check", "encode", "add", "lease", "ack"].iter().position(|name| *name == phase);
    let depth = depth.ok_or("the phases are: nothing, check, encode, add, lease, ack")?;
    tokio::runtime::Builder::new_current_thread().build()?.block_on(run(depth))
}

async fn run(depth: usize) -> Result {
    let docket = MemoryBackend::new(DocketName::default());
    if depth < 1 {
        return Ok(());
    }
    let tasks = (0..TASKS).map(task).collect::<Result<Vec<_>>>()?;
    if depth < 2 {
        return Ok(());
    }
    let client = Client::new(Arc::new(docket.clone()));
    for number in 0..TASKS {
        let scan = Scan { track_id: u64::try_from(number)?, audio_url: AUDIO_URL.to_owned(), length: 215.25 };
        client.add(scan).into_task()?;
    }
    if depth < 3 {
        return Ok(());
    }
    for batch in tasks.chunks(limits::BATCH_ITEMS_MAX) {
        let answers = docket.add(batch).await?;
        expect(answers.iter().all(|answer| matches!(answer, Ok(AddAnswer::Added))), "every task is added")?;
    }
    if depth < 4 {
        return Ok(());
    }
    let mut leases = Vec::new();
    for number in 0..TASKS / limits::BATCH_ITEMS_MAX {
        leases.extend(docket.lease(&request(number)?).await?.leases);
    }
    expect(leases.len() == TASKS, "every task is leased")?;
    if depth < 5 {
        return Ok(());
    }
    let acks: Vec<Ack> = leases.into_iter().map(ack).collect();
    for batch in acks.chunks(limits::BATCH_ITEMS_MAX) {
        let reply = docket.ack(batch).await?;
        expect(reply.answers.iter().all(|answer| matches!(answer, Ok(AckAnswer::Settled))), "every lease is settled")?;
    }
    Ok(())
}

/// A task as a service writes it.
#[derive(Serialize, Deserialize)]
struct Scan {
    track_id: u64,
    audio_url: String,
    length: f64,
}

impl Task for Scan {
    const NAME: &'static str = "scan_copyright";
    type Output = ();

    async fn run(self, _ctx: Context) -> std::result::Result<(), Failure> {
        Ok(())
    }
}

/// The checks of a key, a name and a task, as a client makes them.
fn task(number: usize) -> Result<NewTask> {
    let id = Uuid::from_u128(number as u128 + 1);
    let task = NewTask {
        key: TaskKey::new(id.to_string())?,
        add_id: AddId::from_uuid(id),
        name: TaskName::new("scan_copyright")?,
        queue: Queue::new("default")?,
        args: Payload::new(ARGS),
        run_at: RunAt::Now,
        every: None,
        overrides: Overrides::default(),
        declared_for: None,
    };
    task.check()?;
    Ok(task)
}

fn request(number: usize) -> Result<LeaseRequest> {
    let name = TaskName::new("scan_copyright")?;
    Ok(LeaseRequest {
        request: RequestId::from_uuid(Uuid::from_u128(number as u128 + 1)),
        worker: WorkerRecord {
            id: WorkerId::new("worker")?,
            queues: vec![Queue::default()],
            names: vec![(name.clone(), Queue::default())],
            concurrency: limits::BATCH_ITEMS_MAX,
            running: 0,
            settled: 0,
            ttl: Duration::from_mins(1),
        },
        queues: vec![Queue::default()],
        names: vec![KnownName { name, max_crashes: limits::CRASHES_MAX }],
        count: limits::BATCH_ITEMS_MAX,
        suspects: LeaseSuspects::Allow,
        lease_for: Duration::from_secs(10),
        wait: Duration::ZERO,
        order: LeaseOrder::Precedence,
    })
}

fn ack(lease: Lease) -> Ack {
    let policy = Policy::default();
    Ack {
        token: lease.token,
        outcome: Outcome::Completed(None),
        max_attempts: policy.max_attempts,
        retention: policy.retention,
    }
}

fn expect(holds: bool, what: &str) -> Result {
    if holds { Ok(()) } else { Err(format!("not so: {what}").into()) }
}
