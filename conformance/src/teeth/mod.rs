//! Broken stores: for each rule, a way to break it that the suite must notice.
//!
//! A suite that passes proves little until it has been seen to fail. Each [`Fault`] is the reference model with one rule
//! read wrongly, most of them the way a sensible person would read it at first; `tests/teeth.rs` runs the cases named
//! here on it and wants one of them to fail.

/// Declares the faults, each once: under the invariant it breaks, or the subject of the rule where no invariant speaks
/// of it.
macro_rules! faults {
    ($($breaks:literal { $($(#[doc = $doc:literal])* $fault:ident)* })*) => {
        /// One rule broken in an otherwise sound [`crate::model::ModelStore`].
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Fault {
            $($($(#[doc = $doc])* $fault,)*)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$($(Self::$fault,)*)*];

            /// The invariant it breaks (`I1` to `I9`), or the subject of the rule where no invariant speaks of it.
            pub fn breaks(self) -> &'static str {
                match self {
                    $($(Self::$fault)|* => $breaks,)*
                }
            }
        }
    };
}

faults! {
    "I1" {
        /// `add` answers Added for the last of a batch and keeps nothing.
        LosesATask
        /// A successor takes its place only when the run before it completed; else it is gone.
        PromotesOnlyOnCompleted
    }
    "I2" {
        /// Any token of a leased key settles it.
        IgnoresTheFence
        /// A running task is leased again.
        DeliversTwice
        /// Each record numbers its own leases, and the number is all that is compared: trimmed, it starts at 1 again.
        FencePerKey
        /// Clearing a docket sets its fence back to the start.
        ClearForgetsTheFence
        /// A token is current while the numbers are equal, also once it is settled: a late heartbeat puts a finished task back.
        CurrentWhateverTheState
        /// A cancel finishes a leased task at once, so its key can be leased while the first run goes on.
        CancelEndsARunningTask
        /// The token of a lost lease gets the answer that it settled.
        CrashSettlesTheToken
        /// A repeated lease gets the stored reply, even for tasks that another request has leased
        /// since.
        ReplaysStoredReplies
        /// A task that was taken out for a move can still be leased.
        LeasesWhatMoves
        /// A task that was let go is forgotten: a seed begins a second chain.
        LetsGoWithoutATrace
        /// Two moves to two places take out the same tasks.
        MovesToTwoPlaces
        /// A fence is only the last one plus 1: a docket that came back from a snapshot draws the same ones again.
        FencesOnlyCount
        /// A key nobody knows is renewed, settled and cancelled as if it were there.
        AbsentIsFine
    }
    "I3" {
        /// A lease that ran out is not counted.
        ForgetsTheCrash
        /// The next occurrence starts with the attempts and crashes of the last.
        RepeatKeepsTheCounts
        /// One run more than the limit.
        LimitsTestedWithGreater
        /// A task that `schedule` moved keeps the attempts and crashes of the old one.
        MoveKeepsTheCounts
        /// A task that was moved here starts counting again.
        ArrivalsStartCountingAgain
        /// A lease takes all suspects, whatever it asked for.
        TakesEverySuspect
    }
    "I4" {
        /// A time beyond ten years is silently brought nearer.
        CutsFarTimes
        /// A task is leased a millisecond before its time.
        LeasesEarly
        /// An `add` wakes nobody.
        ForgetsTheWakeUp
        /// A wait polls again only once a second, not when the next task is due.
        Polls
    }
    "I5" {
        /// Tasks are leased in the order of their keys.
        OrdersByKey
        /// A lost lease goes behind tasks that are already due.
        LostLeasesGoLast
        /// A released task goes to the end of the lane.
        ReleaseLosesItsPlace
        /// The earliest of all queues is never asked for: the first queue always comes first.
        StarvesTheLastQueue
        /// A task that `schedule` moved goes behind those of its new time.
        MoveLosesItsPlace
        /// A successor has the place among equals of the task before it.
        SuccessorJumpsTheLine
    }
    "I6" {
        /// A settled token is not remembered: the same ack again is Stale.
        ForgetsAcks
        /// A second life forgets the calls of the first.
        ForgetsAddIds
        /// A repeated add is answered by the current state, not by its first answer.
        AnswersARepeatedAddAfresh
        /// A repeated schedule is done again.
        SchedulesAgain
        /// A repeated lease is a new one.
        ForgetsLeases
        /// A repeated lease of which nothing is left takes new tasks.
        ReplaysOrTakesFresh
        /// A request that took nothing is not remembered: its delayed packet leases for nobody.
        ForgetsEmptyRequests
        /// A repeated lease brings leases that are about to run out, or have.
        ReplayKeepsTheDeadline
        /// A repeated cancel cancels whatever has the key now.
        CancelsByKeyAlone
        /// A requeue hits any death of the key.
        RequeuesByKeyAlone
        /// A parcel that is delivered again is placed again, once its task has ended.
        TakesInTwice
        /// A parcel that was turned away is taken in when it comes late.
        TurnsAwayOnce
    }
    "I7" {
        /// A task that ends at its crash limit is never put where it could be trimmed.
        LeaksARecord
        /// Clearing a docket leaves its finished records.
        LeavesFinishedOnClear
    }
    "I8" {
        /// Finished records stay forever.
        NeverTrims
        /// Every finished record is kept for the same time.
        IgnoresRetention
        /// One call trims all there is.
        TrimsWithoutBound
        /// One call sweeps all there is.
        SweepsWithoutBound
        /// Finished records are bounded only by their number, not by their bytes.
        BoundsByNumberAlone
        /// A lease call may list any number of names and queues.
        TakesAnyNumberOfLanes
        /// One payload that is too large refuses the whole batch.
        OversizedItemSpoilsTheBatch
        /// An ack batch trims as few as a lease call, so that large batches outrun it.
        TrimsOneCallsWorth
        /// An interval or a limit of zero is taken.
        ZeroMeansInfinite
    }
    "I9" {
        /// A worker gets tasks whose name or queue it did not ask for.
        LeasesUnaskedNames
        /// A lease call counts crashes of tasks it did not ask for.
        SweepsUnaskedNames
        /// `next_visible` counts tasks that this request could not have leased.
        CountsUnaskedNames
        /// All dockets are one.
        DocketsMeet
        /// An outcome that it does not know ends the task as cancelled.
        GuessesAtNewOutcomes
    }
    "cancel" {
        /// A cancelled task whose lease ran out, or whose run failed, goes on as if nobody had asked.
        CancelIsOnlyAFlag
        /// A cancelled run is still followed.
        CancelKeepsTheSuccessor
    }
    "periodic task" {
        /// Seeding a cancelled periodic task revives it.
        SeedUndoesACancel
        /// A periodic task that uses up its attempts is dead: the chain is cut.
        LimitKillsAPeriodicTask
        /// `Repeat` counts from the end of the run: the chain drifts.
        RepeatCountsFromNow
        /// A periodic task that crashes runs again at its usual interval.
        CrashedChainsHurry
    }
    "definition" {
        /// A seed never changes the definition of a periodic task that is there.
        SeedsChangeNothing
        /// The last seed wins, whichever builds are alive: in a deploy the definition alternates.
        LastSeedWins
        /// The first worker to declare after an outage takes over.
        OutageForgetsWhoLives
        /// A new interval waits for the end of the old one.
        RedefinedWaitsForTheOldInterval
        /// A new definition takes a running task out from under its worker.
        RedefinesARunningTask
        /// A definition that waited for the end of a run brings back a task that was cancelled.
        DefinitionUndoesACancel
    }
    "ack" {
        /// A late ack of a current token settles nothing.
        LateAckIsStale
        /// A result that cannot be kept is not spoken of.
        UnkeptSaysNothing
        /// A finished record does not say how often it was tried.
        EndForgetsTheCounts
        /// Args that one build cannot read end the task for all.
        UndecodableIsDeath
        /// Each time that args cannot be read counts as the first: the task never ends.
        UndecodableStartsOver
    }
    "wait" {
        /// A lease that was taken at the end of a wait counts from the beginning of the wait.
        CountsTheWait
        /// One waiter polls at the next due time for all others, until its wait was to end, even
        /// after it has left.
        OneWaiterWatches
    }
    "limit" {
        /// A task that reached its crash limit is named as it is afterwards.
        NamesWhatFollowsACrash
        /// A move sweeps expired leases and does not report the tasks that end by that.
        SweepsForAMoveUnseen
    }
    "suspect" {
        /// `next_visible` counts suspects that this request may not take: it spins.
        CountsForbiddenSuspects
    }
    "clock" {
        /// Moving the clock wakes nobody.
        ClockWakesNobody
        /// A clock that nobody has set does not run.
        ClockStandsStill
        /// The docket's time stops until a clock that was set back has caught up.
        StepsStopTime
        /// A time is taken, and shown, as if the docket's time were the server's clock.
        TranslatesNoMoment
        /// Settling the clock takes the docket's time back.
        SettlingMovesTime
        /// The clock is settled while tasks run.
        SettlesBesideRuns
    }
    "control" {
        /// A docket of another environment is joined.
        EnvironmentsMix
        /// Naming the environment first empties the docket.
        JoiningEmptiesTheDocket
    }
    "heartbeat" {
        /// A late heartbeat of a current token is answered as lost.
        LateHeartbeatIsLost
    }
    "add" {
        /// The key of a cancelled task stays taken.
        CancelHoldsTheKey
        /// A batch of nothing is refused.
        RefusesAnEmptyBatch
    }
    "follow" {
        /// A second schedule behind a run is dropped.
        FirstScheduleWins
        /// A task that followed another is not followed itself.
        FollowedOnce
        /// A successor whose time passed while it waited is due from its promotion on.
        SuccessorWaitsFromItsPromotion
    }
    "requeue" {
        /// A requeue draws no fence: two deaths without a lease in between look alike.
        RequeueDrawsNoFence
    }
    "inspect" {
        /// A cursor nobody gave starts at the beginning.
        StrangeCursorStartsOver
        /// The store runs with a setting that loses tasks.
        LosesTasksBySetting
    }
}
