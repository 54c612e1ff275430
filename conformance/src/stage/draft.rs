//! Tasks and lease requests, written the way a case tells its story.

use std::time::Duration;

use docket_core::{
    KnownName, LeaseOrder, LeaseRequest, LeaseSuspects, NewTask, Queue, RequestId, RunAt, TaskKey, TaskName, Timestamp,
    WorkerId, WorkerRecord, limits,
};

use super::{LEASE, payload};

/// A key that a case names.
pub(crate) fn key(text: &str) -> TaskKey {
    TaskKey::new(text).expect("a case uses good keys")
}

fn name(text: &str) -> TaskName {
    TaskName::new(text).expect("a case uses good names")
}

fn queue(text: &str) -> Queue {
    Queue::new(text).expect("a case uses good queues")
}

/// A task for now: name `work`, queue `default`, its own key as args.
pub(crate) fn task(text: &str) -> NewTask {
    NewTask { key: key(text), ..NewTask::new(name("work"), payload(text)) }
}

/// Something that can be added: a task, or just its key.
pub(crate) trait Draft {
    fn draft(self) -> NewTask;
}

impl Draft for &str {
    fn draft(self) -> NewTask {
        task(self)
    }
}

impl Draft for NewTask {
    fn draft(self) -> NewTask {
        self
    }
}

impl Draft for &NewTask {
    fn draft(self) -> NewTask {
        self.clone()
    }
}

/// The ways in which a task can differ from the usual one.
pub(crate) trait Edit {
    fn name(self, text: &str) -> Self;
    fn queue(self, text: &str) -> Self;
    fn args(self, text: &str) -> Self;
    fn after(self, delay: Duration) -> Self;
    fn at(self, moment: Timestamp) -> Self;
    fn every(self, interval: Duration) -> Self;
    fn max_attempts(self, count: u32) -> Self;
    fn max_crashes(self, count: u32) -> Self;
}

impl Edit for NewTask {
    fn name(self, text: &str) -> Self {
        Self { name: name(text), ..self }
    }

    fn queue(self, text: &str) -> Self {
        Self { queue: queue(text), ..self }
    }

    fn args(self, text: &str) -> Self {
        Self { args: payload(text), ..self }
    }

    fn after(self, delay: Duration) -> Self {
        Self { run_at: RunAt::In(delay), ..self }
    }

    fn at(self, moment: Timestamp) -> Self {
        Self { run_at: RunAt::At(moment), ..self }
    }

    fn every(self, interval: Duration) -> Self {
        Self { every: Some(interval), ..self }
    }

    fn max_attempts(mut self, count: u32) -> Self {
        self.overrides.max_attempts = Some(count);
        self
    }

    fn max_crashes(mut self, count: u32) -> Self {
        self.overrides.max_crashes = Some(count);
        self
    }
}

/// A request for up to `count` tasks: name `work`, queue `default`, suspects welcome, no wait, a new id.
pub(crate) fn ask(count: usize) -> LeaseRequest {
    LeaseRequest {
        request: RequestId::unique(),
        worker: worker("worker-1"),
        queues: vec![Queue::default()],
        names: known(&["work"], limits::CRASHES_MAX),
        count,
        suspects: LeaseSuspects::Allow,
        lease_for: LEASE,
        wait: Duration::ZERO,
        order: LeaseOrder::Precedence,
    }
}

fn worker(id: &str) -> WorkerRecord {
    WorkerRecord {
        id: WorkerId::new(id).expect("a case uses good worker ids"),
        queues: vec![Queue::default()],
        names: vec![(name("work"), Queue::default())],
        concurrency: 10,
        running: 0,
        settled: 0,
        ttl: Duration::from_secs(30),
    }
}

fn known(names: &[&str], max_crashes: u32) -> Vec<KnownName> {
    names.iter().map(|text| KnownName { name: name(text), max_crashes }).collect()
}

/// The ways in which a request can differ from the usual one.
pub(crate) trait Ask {
    fn by(self, id: &str) -> Self;
    fn queues(self, texts: &[&str]) -> Self;
    fn names(self, texts: &[&str]) -> Self;
    fn max_crashes(self, count: u32) -> Self;
    fn no_suspects(self) -> Self;
    fn waiting(self, wait: Duration) -> Self;
    fn earliest(self) -> Self;
}

impl Ask for LeaseRequest {
    fn by(self, id: &str) -> Self {
        Self { worker: worker(id), ..self }
    }

    fn queues(self, texts: &[&str]) -> Self {
        Self { queues: texts.iter().map(|text| queue(text)).collect(), ..self }
    }

    fn names(self, texts: &[&str]) -> Self {
        Self { names: known(texts, limits::CRASHES_MAX), ..self }
    }

    fn max_crashes(self, count: u32) -> Self {
        let names = self.names.into_iter().map(|known| KnownName { max_crashes: count, ..known }).collect();
        Self { names, ..self }
    }

    fn no_suspects(self) -> Self {
        Self { suspects: LeaseSuspects::Avoid, ..self }
    }

    fn waiting(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    fn earliest(self) -> Self {
        Self { order: LeaseOrder::Earliest, ..self }
    }
}
