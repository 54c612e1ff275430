//! Leasing: count expired leases, lease due tasks, report the next due time.

use docket_core::{
    Fence, Lease, LeaseOrder, LeaseReply, LeaseRequest, LeaseSuspects, LeaseToken, Limited, RequestId, Swept, TaskKey,
    Timestamp, limits,
};

use super::docket::{Answered, Docket, Sign, next_fence};
use super::record::{CRASH_LIMIT, Life, Record, Step, Taken};
use crate::teeth::Fault;

/// Whether an empty look is the answer, or one of several inside a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Last,
    WithinAWait,
}

impl Docket {
    /// One lease call, without its wait.
    pub(super) fn lease(&mut self, request: &LeaseRequest, look: Look, now: Timestamp) -> LeaseReply {
        self.see(&request.worker, Sign::Leasing, now);
        self.requests.retain(|answered| now.since(answered.at) < limits::REQUEST_MEMORY);
        let mut reply = LeaseReply::default();
        let known = self.requests.iter().position(|answered| answered.request == request.request);
        if let Some(known) = known.filter(|_| !self.has(Fault::ForgetsLeases)) {
            reply.leases = self.replay(known, request, now);
        }
        let fresh = known.is_none()
            || self.has(Fault::ForgetsLeases)
            || (self.has(Fault::ReplaysOrTakesFresh) && reply.leases.is_empty());
        if fresh {
            reply.swept = self.sweep(request, now);
            reply.leases = self.take(request, now);
            self.remember(request.request, &reply.leases, look, now);
        }
        self.look_ahead(request, &mut reply, now);
        reply
    }

    fn remember(&mut self, request: RequestId, leases: &[Lease], look: Look, now: Timestamp) {
        let answered = !leases.is_empty() || (look == Look::Last && !self.has(Fault::ForgetsEmptyRequests));
        if answered {
            let tokens = leases.iter().map(|lease| lease.token.clone()).collect();
            self.requests.push(Answered { request, at: now, tokens });
        }
    }

    /// The leases that this request took and nobody has retaken or settled, with a fresh deadline.
    fn replay(&mut self, known: usize, request: &LeaseRequest, now: Timestamp) -> Vec<Lease> {
        let mut leases = Vec::new();
        for token in &self.requests[known].tokens {
            let Some(record) = self.records.get_mut(&token.key) else { continue };
            if record.is_current(token, None) {
                if self.fault != Some(Fault::ReplayKeepsTheDeadline) {
                    record.work.visible_at = now.plus(request.lease_for);
                }
                leases.extend(lease_of(record));
            } else if self.fault == Some(Fault::ReplaysStoredReplies) {
                leases.extend(lease_of(record).map(|lease| Lease { token: token.clone(), ..lease }));
            }
        }
        leases
    }

    /// The lost-lease row, for at most a hundred late leases, oldest deadline first.
    fn sweep(&mut self, request: &LeaseRequest, now: Timestamp) -> Swept {
        let mut late: Vec<(Timestamp, u64, TaskKey)> = self
            .records
            .values()
            .filter(|record| record.state == Life::Leased && record.work.visible_at <= now)
            .filter(|record| self.has(Fault::SweepsUnaskedNames) || asks_for(request, record))
            .map(|record| (record.work.visible_at, record.seq, record.key.clone()))
            .collect();
        late.sort();
        if !self.has(Fault::SweepsWithoutBound) {
            late.truncate(limits::TRIM_ITEMS_MAX);
        }
        self.crash_all(late, now, |record| max_crashes(request, record))
    }

    /// As the sweep, for everything, with the usual limit.
    pub(super) fn sweep_all(&mut self, now: Timestamp) -> Swept {
        let late = |record: &&Record| record.state == Life::Leased && record.work.visible_at <= now;
        let place = |record: &Record| (record.work.visible_at, record.seq, record.key.clone());
        let mut late: Vec<_> = self.records.values().filter(late).map(place).collect();
        late.sort();
        late.truncate(limits::TRIM_ITEMS_MAX);
        let usual = |record: &Record| record.work.overrides.max_crashes.unwrap_or(limits::CRASHES_MAX);
        let swept = self.crash_all(late, now, usual);
        if self.has(Fault::SweepsForAMoveUnseen) { Swept::default() } else { swept }
    }

    fn crash_all(
        &mut self,
        late: Vec<(Timestamp, u64, TaskKey)>,
        now: Timestamp,
        max_crashes: impl Fn(&Record) -> u32,
    ) -> Swept {
        let mut swept = Swept::default();
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        for (_, _, key) in late {
            let record = self.records.get_mut(&key).expect("it was just listed");
            swept.crashed += 1;
            let before = limited(record);
            if crash(record, max_crashes(record), &mut step) == Crash::Limit {
                let late = step.has(Fault::NamesWhatFollowsACrash);
                swept.limited.push(if late { limited(record) } else { before });
            }
        }
        swept
    }

    fn take(&mut self, request: &LeaseRequest, now: Timestamp) -> Vec<Lease> {
        let mut leases: Vec<Lease> = Vec::new();
        let (mut bytes, mut suspect) = (0, request.suspects == LeaseSuspects::Avoid);
        for key in self.line(request, now) {
            let record = &self.records[&key];
            if record.is_suspect() && suspect && !self.has(Fault::TakesEverySuspect) {
                continue;
            }
            bytes += record.work.args.len();
            let full = leases.len() == request.count.min(limits::BATCH_ITEMS_MAX);
            if full || (bytes > limits::BATCH_BYTES_MAX && !leases.is_empty()) {
                break;
            }
            suspect |= record.is_suspect();
            leases.push(self.lease_one(&key, request, now));
        }
        leases
    }

    fn lease_one(&mut self, key: &TaskKey, request: &LeaseRequest, now: Timestamp) -> Lease {
        let per_key = self.has(Fault::FencePerKey);
        let record = self.records.get_mut(key).expect("it is in the line");
        self.fence = next_fence(self.fence, now, self.fault);
        let own = record.taken.as_ref().map_or(0, |taken| taken.fence.0) + 1;
        record.taken = Some(Taken {
            fence: Fence(if per_key { own } else { self.fence }),
            request: request.request,
            worker: request.worker.id.clone(),
            at: now,
        });
        record.state = Life::Leased;
        record.work.visible_at = now.plus(request.lease_for);
        lease_of(record).expect("it was just leased")
    }

    /// The keys that this request may lease, in the order in which to lease them.
    fn line(&self, request: &LeaseRequest, now: Timestamp) -> Vec<TaskKey> {
        let due = if self.has(Fault::LeasesEarly) { now.plus(std::time::Duration::from_millis(1)) } else { now };
        let mut line: Vec<&Record> = self
            .records
            .values()
            .filter(|record| match record.state {
                Life::Queued => true,
                Life::Leased => self.has(Fault::DeliversTwice),
                Life::Moving => self.has(Fault::LeasesWhatMoves),
                _ => false,
            })
            .filter(|record| record.state == Life::Leased || record.work.visible_at <= due)
            .filter(|record| asks_for(request, record) || self.has(Fault::LeasesUnaskedNames))
            .collect();
        line.sort_by_key(|record| (self.rank(request, record), record.work.visible_at, record.seq));
        if self.has(Fault::OrdersByKey) {
            line.sort_by_key(|record| record.key.clone());
        }
        line.into_iter().map(|record| record.key.clone()).collect()
    }

    /// All of the first queue before any of the second, unless the earliest of all are wanted.
    fn rank(&self, request: &LeaseRequest, record: &Record) -> Option<usize> {
        if request.order == LeaseOrder::Earliest && !self.has(Fault::StarvesTheLastQueue) {
            return None;
        }
        request.queues.iter().position(|queue| *queue == record.work.queue)
    }

    /// When the next task this request could have leased is visible, and how long the oldest that is has been.
    fn look_ahead(&self, request: &LeaseRequest, reply: &mut LeaseReply, now: Timestamp) {
        let holds_one = reply.leases.iter().any(|lease| lease.crashes >= limits::SUSPECT_CRASHES);
        let no_suspect =
            (request.suspects == LeaseSuspects::Avoid || holds_one) && !self.has(Fault::CountsForbiddenSuspects);
        let next = self
            .records
            .values()
            .filter(|record| matches!(record.state, Life::Queued | Life::Leased))
            .filter(|record| !(record.is_suspect() && no_suspect))
            .filter(|record| asks_for(request, record) || self.has(Fault::CountsUnaskedNames))
            .map(|record| record.work.visible_at)
            .min();
        reply.next_visible = next.map(|moment| moment.since(now));
        reply.oldest_ready = next.filter(|moment| *moment <= now).map(|moment| now.since(moment));
    }
}

fn asks_for(request: &LeaseRequest, record: &Record) -> bool {
    request.names.iter().any(|known| known.name == record.work.name) && request.queues.contains(&record.work.queue)
}

#[derive(PartialEq, Eq)]
enum Crash {
    Counted,
    Limit,
}

/// The report about a task that has reached its crash limit.
fn limited(record: &Record) -> Limited {
    Limited {
        key: record.key.clone(),
        name: record.work.name.clone(),
        attempts: record.attempts,
        repeats: record.work.every.is_some(),
    }
}

/// A lease that was found past its deadline.
fn crash(record: &mut Record, max: u32, step: &mut Step<'_>) -> Crash {
    let deadline = record.work.visible_at;
    if !step.has(Fault::ForgetsTheCrash) {
        record.crashes += 1;
    }
    if step.has(Fault::CrashSettlesTheToken) {
        record.settled = record.taken.as_ref().map(|taken| (taken.fence, taken.request));
    }
    let limit = if step.has(Fault::LimitsTestedWithGreater) { record.crashes > max } else { record.crashes >= max };
    if record.cancelling && !step.has(Fault::CancelIsOnlyAFlag) {
        record.finish(Life::Cancelled, limits::RETENTION, step);
        return Crash::Counted;
    }
    if !limit {
        // Queued at its old deadline: its position in the lane (`due_at`, `seq`) stays.
        record.state = Life::Queued;
        record.work.visible_at = if step.has(Fault::LostLeasesGoLast) { step.now } else { deadline };
        if step.has(Fault::PromotesOnlyOnCompleted) {
            record.successor = None;
        }
        record.promote(step);
        return Crash::Counted;
    }
    match record.work.every {
        Some(every) if !step.has(Fault::LimitKillsAPeriodicTask) => {
            record.crashed_in_a_row += u32::from(!step.has(Fault::CrashedChainsHurry));
            let doubled = every.saturating_mul(2_u32.saturating_pow(record.crashed_in_a_row));
            let wait = doubled.min(limits::CRASH_WAIT_MAX.max(every));
            record.next(step.now.plus(wait), Some(CRASH_LIMIT.to_owned()), step);
        }
        _ => {
            record.error = Some(CRASH_LIMIT.to_owned());
            record.finish(Life::Dead, limits::RETENTION, step);
            if step.has(Fault::LeaksARecord) {
                record.expires = None;
            }
        }
    }
    Crash::Limit
}

fn max_crashes(request: &LeaseRequest, record: &Record) -> u32 {
    let known = request.names.iter().find(|known| known.name == record.work.name);
    let of_the_type = known.map(|known| known.max_crashes);
    record.work.overrides.max_crashes.or(of_the_type).unwrap_or(limits::CRASHES_MAX)
}

fn lease_of(record: &Record) -> Option<Lease> {
    let taken = record.taken.as_ref()?;
    Some(Lease {
        token: LeaseToken { key: record.key.clone(), fence: taken.fence, request: taken.request },
        name: record.work.name.clone(),
        queue: record.work.queue.clone(),
        args: record.work.args.clone(),
        attempts: record.attempts,
        crashes: record.crashes,
        deadline: record.work.visible_at,
        leased_at: taken.at,
        due_at: record.due_at,
        every: record.work.every,
        overrides: record.work.overrides,
        undecodable_since: record.undecodable_since,
    })
}
