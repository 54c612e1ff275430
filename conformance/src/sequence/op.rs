//! One step of a generated sequence: a call, a call made once more, or time.

use std::time::Duration;

use docket_core::{LeaseOrder, LeaseSuspects};

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A call is made.
    Send {
        /// The request.
        call: Call,
        /// The fate of the packet.
        fate: Fate,
    },
    /// A call arrives once more, with the ids it had: a retry, or a packet that took its time.
    Again {
        /// How many calls ago it was sent.
        back: usize,
    },
    /// Time passes.
    Advance(Duration),
}

/// The fate of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It takes effect and the caller hears of it.
    Answered,
    /// It takes effect and nobody hears of it.
    ReplyLost,
    /// It takes effect only if a later [`Op::Again`] delivers it.
    Delayed,
}

/// A call, as far as it is known before the sequence is played; numbers are taken modulo the number
/// of candidates.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// A batch of adds.
    Add(Vec<Item>),
    /// A batch of schedules.
    Schedule(Vec<Item>),
    /// A lease without a wait.
    Lease(Asking),
    /// A heartbeat for some of the tokens that were handed out, current or not.
    Heartbeat {
        /// Which worker.
        worker: usize,
        /// Tokens, counted from the latest.
        tokens: Vec<usize>,
    },
    /// Some of the tokens settled.
    Ack(Vec<Ending>),
    /// A cancel.
    Cancel {
        /// Which key.
        key: usize,
    },
    /// A requeue of the latest fence of the key.
    Requeue {
        /// Which key.
        key: usize,
    },
    /// Tasks taken out for a move.
    TakeOut {
        /// How many.
        limit: usize,
        /// To which of a few places.
        place: usize,
    },
    /// One step of a move, with some of the parcels that were taken out.
    Move {
        /// Which step.
        step: Step,
        /// Parcels, counted from the latest.
        parcels: Vec<usize>,
    },
    /// Everything goes.
    Clear,
}

/// What can be done with a parcel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// It is taken in.
    TakeIn,
    /// It is turned away.
    TurnAway,
    /// It is let go.
    LetGo,
    /// It is put back.
    PutBack,
}

/// One task to add or schedule.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Which key.
    pub(super) key: usize,
    /// Which name.
    pub(super) name: usize,
    /// Which queue.
    pub(super) queue: usize,
    /// When.
    pub(super) time: Time,
    /// Set for a periodic task.
    pub(super) every: Option<Duration>,
    /// Whether it declares a periodic task; there are only a few different args.
    pub(super) declared: bool,
    /// What the adder overrides.
    pub(super) max_attempts: Option<u32>,
    /// See `max_attempts`.
    pub(super) max_crashes: Option<u32>,
}

/// A time that a caller names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// Now.
    Now,
    /// This long from now.
    In(Duration),
    /// At a time this long after now.
    After(Duration),
    /// At a time this long before now.
    Before(Duration),
}

/// A lease request.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    /// Which worker.
    pub(super) worker: usize,
    /// How many.
    pub(super) count: usize,
    /// Which names, of a few sets.
    pub(super) names: usize,
    /// Which queues, of a few lists.
    pub(super) queues: usize,
    /// The crash limit of each name.
    pub(super) max_crashes: u32,
    /// Whether a suspect may come.
    pub(super) suspects: LeaseSuspects,
    /// How long.
    pub(super) lease: Duration,
    /// How queues are weighed.
    pub(super) order: LeaseOrder,
}

/// One lease to settle.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// Which token, counted from the latest.
    pub(super) token: usize,
    /// How the run ended.
    pub(super) outcome: End,
    /// The attempt limit of the type.
    pub(super) max_attempts: u32,
    /// How long the record is kept.
    pub(super) retention: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// With or without a result.
    Completed(Said),
    /// Done, without its result.
    Unkept,
    /// A failed attempt.
    Retry(Duration),
    /// Not now.
    Snooze(Duration),
    /// Args that cannot be read.
    Undecodable(Duration),
    /// Never started.
    Release,
    /// Failed for good.
    Dead,
    /// The next occurrence, with or without new args.
    Repeat(Time, Said),
    /// It noticed its cancel.
    Cancelled,
}

/// Whether a run returns something of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// It does.
    Something,
    /// It does not.
    Nothing,
}
