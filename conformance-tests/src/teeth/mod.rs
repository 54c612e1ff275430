//! Broken stores: for each rule, a way to break it that the suite must notice.
//!
//! A suite that passes proves little until it has been seen to fail. Each [`Fault`] is the reference model with one rule
//! read wrongly, most of them the way a sensible person would read it at first; `tests/teeth.rs` runs the cases named
//! here on it and wants one of them to fail.

/// One rule broken in an otherwise sound [`crate::model::ModelStore`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// `add` answers Added for the last of a batch and keeps nothing.
    LosesATask,
    /// A follower takes its place only when the run before it completed; else it is gone.
    PromotesOnlyOnCompleted,
    /// Any token of a leased key settles it.
    IgnoresTheFence,
    /// A running task is leased again.
    DeliversTwice,
    /// Each record numbers its own leases, and the number is all that is compared: trimmed, it starts at 1 again.
    FencePerKey,
    /// Clearing a docket sets its fence back to the start.
    ClearForgetsTheFence,
    /// A token is current while the numbers are equal, also once it is settled: a late heartbeat puts a finished task back.
    CurrentWhateverTheState,
    /// A cancel finishes a leased task at once, so its key can be leased while the first run goes on.
    CancelEndsARunningTask,
    /// The token of a lost lease is told that it settled.
    CrashSettlesTheToken,
    /// A repeated lease gets the stored reply, also for what somebody else has leased since.
    ReplaysStoredReplies,
    /// A lease that ran out is not counted.
    ForgetsTheCrash,
    /// The next occurrence starts with the attempts and crashes of the last.
    RepeatKeepsTheCounts,
    /// One run more than the limit.
    LimitsTestedWithGreater,
    /// A task that `schedule` moved keeps the attempts and crashes of the old one.
    MoveKeepsTheCounts,
    /// A lease takes all suspects there are, whatever it asked for.
    TakesEverySuspect,
    /// A task is leased a millisecond before its time.
    LeasesEarly,
    /// An `add` wakes nobody.
    ForgetsTheWakeUp,
    /// Tasks are leased in the order of their keys.
    OrdersByKey,
    /// A lost lease queues up behind what is due already.
    LostLeasesGoLast,
    /// A released task goes to the end of the line.
    ReleaseLosesItsPlace,
    /// The earliest of all queues is never asked for: the first queue always comes first.
    StarvesTheLastQueue,
    /// A task that `schedule` moved goes behind those of its new time.
    MoveLosesItsPlace,
    /// A follower has the place among equals of the task before it.
    FollowerJumpsTheLine,
    /// A settled token is not remembered: the same ack again is Stale.
    ForgetsAcks,
    /// A second life forgets the calls of the first.
    ForgetsAddIds,
    /// A repeated add is answered by what it finds, not by what it was told.
    AnswersARepeatedAddAfresh,
    /// A repeated schedule is done again.
    SchedulesAgain,
    /// A repeated lease is a new one.
    ForgetsLeases,
    /// A repeated lease of which nothing is left takes new tasks.
    ReplaysOrTakesFresh,
    /// A request that took nothing is not remembered: its delayed packet leases for nobody.
    ForgetsEmptyRequests,
    /// A repeated lease brings leases that are about to run out, or have.
    ReplayKeepsTheDeadline,
    /// A repeated cancel hits whatever lives under the key now.
    CancelsByKeyAlone,
    /// A requeue hits any death of the key.
    RequeuesByKeyAlone,
    /// A task that ends at its crash limit is never put where it could be trimmed.
    LeaksARecord,
    /// Clearing a docket leaves its finished records.
    LeavesFinishedOnClear,
    /// Finished records stay for ever.
    NeverTrims,
    /// Every finished record is kept for the same time.
    IgnoresRetention,
    /// One call trims all there is.
    TrimsWithoutBound,
    /// One call sweeps all there is.
    SweepsWithoutBound,
    /// One payload that is too large refuses the whole batch.
    OversizedItemSpoilsTheBatch,
    /// A worker gets tasks whose name or queue it did not ask for.
    LeasesUnaskedNames,
    /// A lease call counts crashes of tasks it did not ask for.
    SweepsUnaskedNames,
    /// `next_visible` counts what this request could not have leased.
    CountsUnaskedNames,
    /// A cancelled task whose lease ran out, or whose run failed, goes on as if nobody had asked.
    CancelIsOnlyAFlag,
    /// A cancelled run is still followed.
    CancelKeepsTheFollower,
    /// Seeding a perpetual brings it back after its cancel.
    SeedUndoesACancel,
    /// A perpetual that uses up its attempts is dead: the chain is cut.
    LimitKillsAPerpetual,
    /// `Repeat` counts from the end of the run: the chain drifts.
    RepeatCountsFromNow,
    /// A perpetual that crashes comes back at its usual pace.
    CrashedChainsHurry,
    /// A late ack of a current token settles nothing.
    LateAckIsStale,
    /// `next_visible` counts suspects that this request may not take: it spins.
    CountsForbiddenSuspects,
    /// Moving the clock wakes nobody.
    ClockWakesNobody,
    /// A docket of another environment is joined.
    EnvironmentsMix,
    /// A late heartbeat of a current token is told that it lost.
    LateHeartbeatIsLost,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 54] = [
        Self::LosesATask,
        Self::PromotesOnlyOnCompleted,
        Self::IgnoresTheFence,
        Self::DeliversTwice,
        Self::FencePerKey,
        Self::ClearForgetsTheFence,
        Self::CurrentWhateverTheState,
        Self::CancelEndsARunningTask,
        Self::CrashSettlesTheToken,
        Self::ReplaysStoredReplies,
        Self::ForgetsTheCrash,
        Self::RepeatKeepsTheCounts,
        Self::LimitsTestedWithGreater,
        Self::MoveKeepsTheCounts,
        Self::TakesEverySuspect,
        Self::LeasesEarly,
        Self::ForgetsTheWakeUp,
        Self::OrdersByKey,
        Self::LostLeasesGoLast,
        Self::ReleaseLosesItsPlace,
        Self::StarvesTheLastQueue,
        Self::MoveLosesItsPlace,
        Self::FollowerJumpsTheLine,
        Self::ForgetsAcks,
        Self::ForgetsAddIds,
        Self::AnswersARepeatedAddAfresh,
        Self::SchedulesAgain,
        Self::ForgetsLeases,
        Self::ReplaysOrTakesFresh,
        Self::ForgetsEmptyRequests,
        Self::ReplayKeepsTheDeadline,
        Self::CancelsByKeyAlone,
        Self::RequeuesByKeyAlone,
        Self::LeaksARecord,
        Self::LeavesFinishedOnClear,
        Self::NeverTrims,
        Self::IgnoresRetention,
        Self::TrimsWithoutBound,
        Self::SweepsWithoutBound,
        Self::OversizedItemSpoilsTheBatch,
        Self::LeasesUnaskedNames,
        Self::SweepsUnaskedNames,
        Self::CountsUnaskedNames,
        Self::CancelIsOnlyAFlag,
        Self::CancelKeepsTheFollower,
        Self::SeedUndoesACancel,
        Self::LimitKillsAPerpetual,
        Self::RepeatCountsFromNow,
        Self::CrashedChainsHurry,
        Self::LateAckIsStale,
        Self::CountsForbiddenSuspects,
        Self::ClockWakesNobody,
        Self::EnvironmentsMix,
        Self::LateHeartbeatIsLost,
    ];

    /// The invariant it breaks (`I1` to `I9`), or the subject of the rule where no invariant speaks of it.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::LosesATask | Self::PromotesOnlyOnCompleted => "I1",
            Self::IgnoresTheFence
            | Self::DeliversTwice
            | Self::FencePerKey
            | Self::ClearForgetsTheFence
            | Self::CurrentWhateverTheState
            | Self::CancelEndsARunningTask
            | Self::CrashSettlesTheToken
            | Self::ReplaysStoredReplies => "I2",
            Self::ForgetsTheCrash
            | Self::RepeatKeepsTheCounts
            | Self::LimitsTestedWithGreater
            | Self::MoveKeepsTheCounts
            | Self::TakesEverySuspect => "I3",
            Self::LeasesEarly | Self::ForgetsTheWakeUp => "I4",
            Self::OrdersByKey
            | Self::LostLeasesGoLast
            | Self::ReleaseLosesItsPlace
            | Self::StarvesTheLastQueue
            | Self::MoveLosesItsPlace
            | Self::FollowerJumpsTheLine => "I5",
            Self::ForgetsAcks
            | Self::ForgetsAddIds
            | Self::AnswersARepeatedAddAfresh
            | Self::SchedulesAgain
            | Self::ForgetsLeases
            | Self::ReplaysOrTakesFresh
            | Self::ForgetsEmptyRequests
            | Self::ReplayKeepsTheDeadline
            | Self::CancelsByKeyAlone
            | Self::RequeuesByKeyAlone => "I6",
            Self::LeaksARecord | Self::LeavesFinishedOnClear => "I7",
            Self::NeverTrims
            | Self::IgnoresRetention
            | Self::TrimsWithoutBound
            | Self::SweepsWithoutBound
            | Self::OversizedItemSpoilsTheBatch => "I8",
            Self::LeasesUnaskedNames | Self::SweepsUnaskedNames | Self::CountsUnaskedNames => "I9",
            Self::CancelIsOnlyAFlag | Self::CancelKeepsTheFollower => "cancel",
            Self::SeedUndoesACancel
            | Self::LimitKillsAPerpetual
            | Self::RepeatCountsFromNow
            | Self::CrashedChainsHurry => "perpetual",
            Self::LateAckIsStale => "ack",
            Self::CountsForbiddenSuspects => "suspect",
            Self::ClockWakesNobody => "clock",
            Self::EnvironmentsMix => "control",
            Self::LateHeartbeatIsLost => "heartbeat",
        }
    }
}
