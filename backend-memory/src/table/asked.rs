//! A lease request, prepared for looking up lanes and tasks several times.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{LeaseOrder, LeaseRequest, LeaseSuspects, Queue, RequestId, TaskName, WorkerRecord, limits};

use super::Table;
use super::lane::Kind;
use super::lanes::LaneNo;
use super::record::{LaneId, Record};

/// A lease request of a worker.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: RequestId,
    pub(crate) worker: Arc<WorkerRecord>,
    pub(crate) count: usize,
    pub(crate) suspects: LeaseSuspects,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) order: LeaseOrder,
    /// The rank of each queue in the order of precedence.
    ranks: HashMap<Queue, usize>,
    /// Names with their crash limits.
    names: HashMap<TaskName, u32>,
}

/// A lane of a request, with the rank of its queue.
pub(crate) type RankedLane = (usize, LaneNo);

impl Asked {
    pub(crate) fn new(request: &LeaseRequest) -> Self {
        let mut ranks = HashMap::with_capacity(request.queues.len());
        for (rank, queue) in request.queues.iter().enumerate() {
            ranks.entry(queue.clone()).or_insert(rank);
        }
        let names = request.names.iter().map(|known| (known.name.clone(), known.max_crashes)).collect();
        Self {
            request: request.request,
            worker: Arc::new(request.worker.clone()),
            count: request.count.min(limits::BATCH_ITEMS_MAX),
            suspects: request.suspects,
            lease: request.lease_for,
            wait: request.wait,
            order: request.order,
            ranks,
            names,
        }
    }

    /// The rank of a lane's queue, if the lane was asked for.
    fn rank(&self, lane: &LaneId) -> Option<usize> {
        self.ranks.get(&lane.queue).copied().filter(|_| self.names.contains_key(&lane.name))
    }

    /// Whether the request could lease a task of this kind from this lane.
    pub(crate) fn wants(&self, lane: &LaneId, kind: Kind) -> bool {
        (kind == Kind::Usual || self.suspects == LeaseSuspects::Allow) && self.rank(lane).is_some()
    }

    /// How many leases of `record` may expire: the adder's override, or the limit of the worker's
    /// task type.
    pub(crate) fn max_crashes(&self, record: &Record) -> u32 {
        let of_type = || self.names.get(&record.work.lane.name).copied();
        record.work.overrides.max_crashes.or_else(of_type).unwrap_or(limits::CRASHES_MAX)
    }
}

impl Table {
    /// The lanes of a request that are not empty.
    pub(super) fn lanes_of(&self, asked: &Asked) -> Vec<RankedLane> {
        // Many lanes in the request: go through those of the docket.
        if asked.ranks.len() * asked.names.len() >= self.indexes.lanes.len() {
            return self.indexes.lanes.iter().filter_map(|(no, lane)| Some((asked.rank(&lane.id)?, no))).collect();
        }
        let mut lanes = Vec::new();
        for (queue, rank) in &asked.ranks {
            let ids = asked.names.keys().map(|name| LaneId { queue: queue.clone(), name: name.clone() });
            lanes.extend(ids.filter_map(|id| Some((*rank, self.indexes.lanes.find(&id)?))));
        }
        lanes
    }
}
