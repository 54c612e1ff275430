//! A lease request as arguments, and its reply as values.

use std::time::Duration;

use docket_core::{
    Clock, Error, ErrorKind, Fence, Lease, LeaseOrder, LeaseReply, LeaseRequest, LeaseSuspects, LeaseToken, Limited,
    Overrides, Payload, Queue, Result, Swept, TaskKey, WorkerRecord, limits,
};

use crate::call::Call;
use crate::fields::Fields;
use crate::keys;
use crate::record::Leased;

/// The most wake lists that one read blocks on; a request for more lanes polls more often instead.
const LISTS_MAX: usize = 2_000;
/// How often a request for more lanes than that polls.
const MANY_LANES_WAIT: Duration = Duration::from_secs(1);

/// Whether this poll must answer, or a wait may follow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look<'a> {
    /// Answers the call, and ends the wait of this waiter, if any.
    Last(Option<&'a str>),
    /// If it finds nothing, the waiter of this name blocks for so long.
    Waiting { waiter: &'a str, block: Duration, lists: &'a [String] },
    /// Answers the call; if it finds nothing, it also serves as the first poll of the next call.
    Ending { waiter: &'a str, block: Duration, lists: &'a [String] },
}

/// The result of one poll.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) reply: LeaseReply,
    /// Whether this is an answer.
    pub(crate) answered: bool,
    /// Whether the waiter is listed and must block.
    pub(crate) waiting: bool,
    /// How long until the waiter must poll by itself.
    pub(crate) due: Option<Duration>,
    /// Records found unusable.
    pub(crate) parked: Vec<TaskKey>,
}

/// Refuses a request beyond its limits.
pub(crate) fn check(request: &LeaseRequest) -> Result<()> {
    for (what, count) in [("names", request.names.len()), ("queues", request.queues.len())] {
        if count > limits::LEASE_NAMES_MAX {
            let message = format!("{count} {what}; one request may list {}", limits::LEASE_NAMES_MAX);
            return Err(Error::new(ErrorKind::TooLarge, "lease tasks", message));
        }
    }
    Ok(())
}

/// The arguments of `read_request` in request.lua.
///
/// `stood_by`: the wake lists for which this is the poll of a standby.
pub(crate) fn write(call: &mut Call, request: &LeaseRequest, look: Look<'_>, stood_by: &[String]) -> Result<()> {
    call.id(request.request.as_uuid());
    write_worker(call, &request.worker)?;
    call.text(if request.suspects == LeaseSuspects::Allow { "one" } else { "none" });
    call.text(if request.order == LeaseOrder::Earliest { "earliest" } else { "precedence" });
    call.micros(request.lease_for).number(request.count.min(limits::BATCH_ITEMS_MAX));
    let lists = match look {
        Look::Last(waiter) => {
            call.text("1").text(waiter.unwrap_or("")).number(0);
            &[][..]
        }
        Look::Waiting { waiter, block, lists } => {
            call.text("0").text(waiter).micros(block);
            lists
        }
        Look::Ending { waiter, block, lists } => {
            call.text("1").text(waiter).micros(block);
            lists
        }
    };
    call.number(request.queues.len());
    for queue in &request.queues {
        call.text(queue.as_str());
    }
    call.number(request.names.len());
    for known in &request.names {
        call.text(known.name.as_str()).number(known.max_crashes);
    }
    for lists in [lists, stood_by] {
        call.number(lists.len());
        for list in lists {
            call.text(list);
        }
    }
    Ok(())
}

/// A worker's id, its record and how long that stays.
pub(crate) fn write_worker(call: &mut Call, record: &WorkerRecord) -> Result<()> {
    let json = serde_json::to_string(record).map_err(|error| {
        Error::new(ErrorKind::Internal, "write the worker's record", "it cannot be put into JSON").with_source(error)
    })?;
    call.text(record.id.as_str()).text(json).micros(record.ttl);
    Ok(())
}

/// The wake lists of the lanes that a request asks for.
pub(crate) fn wake_lists(request: &LeaseRequest) -> Vec<String> {
    let kinds = if request.suspects == LeaseSuspects::Allow { &["w", "ws"][..] } else { &["w"][..] };
    let lists =
        |queue: &Queue, name: &str| kinds.iter().map(|kind| format!("{kind}:{queue}|{name}")).collect::<Vec<_>>();
    let mut all = Vec::new();
    for queue in &request.queues {
        all.extend(request.names.iter().flat_map(|known| lists(queue, known.name.as_str())));
        if all.len() > LISTS_MAX {
            break;
        }
    }
    all.truncate(LISTS_MAX);
    all
}

/// How long one read may block before the request must poll again.
pub(crate) fn longest_block(lists: &[String]) -> Duration {
    if lists.len() < LISTS_MAX { Duration::MAX } else { MANY_LANES_WAIT }
}

/// The tasks that reached their crash limit, as `sweep` in take.lua has them.
pub(crate) fn read_limited(fields: &mut Fields) -> Result<Vec<Limited>> {
    fields.each(|limited| {
        let mut limited = limited.list()?;
        let (key, name) = (limited.key()?, limited.parsed()?);
        Ok(Limited { key, name, attempts: limited.count()?, repeats: limited.flag()? })
    })
}

/// The result of `take` in take.lua.
pub(crate) fn read(fields: &mut Fields, request: &LeaseRequest) -> Result<Looked> {
    let (mut records, mut apart) = (fields.list()?, fields.list()?);
    let mut leases = Vec::new();
    while !records.is_empty() {
        leases.push(read_lease(records.key()?, &records.bytes()?, &mut apart, request)?);
    }
    let (next_visible, oldest_ready) = (fields.optional_micros()?, fields.optional_micros()?);
    let crashed = fields.count()?;
    let limited = read_limited(fields)?;
    let dead_trimmed = fields.count()?;
    let parked = fields.each(Fields::key)?;
    let answered = fields.flag()?;
    let waiting = fields.flag()?;
    let due = fields.optional_micros()?;
    let ahead = Duration::from_micros(fields.count()?);
    let clock = read_clock(&mut fields.list()?)?;
    let leases = leases.into_iter().map(|lease| lease.behind_by(ahead)).collect();
    let swept = Swept { crashed, limited, dead_trimmed };
    Ok(Looked {
        reply: LeaseReply { leases, next_visible, oldest_ready, swept, looked_at: None, clock },
        answered,
        waiting,
        due,
        parked,
    })
}

/// The result of `clock_told` in prelude.lua.
pub(crate) fn read_clock(fields: &mut Fields) -> Result<Clock> {
    Ok(Clock { offset: Duration::from_micros(fields.count()?), steps: fields.count()? })
}

/// A lease from its record; `apart` has the args that are kept apart.
fn read_lease(key: TaskKey, record: &[u8], apart: &mut Fields, request: &LeaseRequest) -> Result<Lease> {
    let leased = Leased::read(record)?;
    let args = leased.args.map_or_else(|| apart.payload(), |args| Ok(Payload::new(args.to_vec())))?;
    let (queue, name) = keys::unpack_lane(leased.lane)?;
    Ok(Lease {
        token: LeaseToken { key, fence: Fence(leased.fence), request: request.request },
        name,
        queue,
        args,
        attempts: leased.attempts,
        crashes: leased.crashes,
        deadline: leased.visible,
        leased_at: leased.since,
        due_at: leased.due,
        every: leased.every,
        overrides: Overrides { max_attempts: leased.max_attempts, max_crashes: leased.max_crashes },
        undecodable_since: leased.undecodable_since,
    })
}
