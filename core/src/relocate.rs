//! Moving the unfinished tasks of a docket to another store.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Destination, Fence, Key, Name, NewTask, Overrides, ParcelId, Payload, Queue, Result, Timestamp, Verb};

/// How a docket gives its unfinished tasks away, and how another takes them.
///
/// Four steps, each of which may be repeated, by anybody, with any pause between: the **source** takes tasks out, the
/// **destination** takes them in, somebody compares, and the source lets go. At every moment a task can be leased in at
/// most one of the two, and its record is in at least one; between the first step and the last it is
/// [`crate::State::Moving`] at the source. A docket moves to one place at a time.
///
/// What callers hear at the source about a task that is moving, or was let go, is in `docs/transitions.md`.
///
/// # Cancel safety
///
/// Dropping a call leaves it in the state of a lost reply; repeating it is safe.
#[async_trait]
pub trait Relocate: Send + Sync {
    /// Takes queued tasks out of every line, for `to`, and answers them whole.
    ///
    /// * No worker leases a task that was taken out, however long that lasts: `relocate::a_task_that_moves_is_not_leased`.
    /// * It comes with its args, times, counts and error: `relocate::a_parcel_carries_the_whole_task`.
    /// * In the order of the line, and no more than `limit`: `relocate::parcels_come_in_the_order_of_the_line`.
    /// * Called again, it first gives those that were not let go: `relocate::what_was_taken_out_comes_again`.
    /// * A running task stays; a lost one is swept first, as a lease call of a worker of any name would:
    ///   `relocate::a_running_task_stays`, `relocate::a_lost_lease_is_one_crash`.
    /// * While tasks move to another place it is a `Conflict`: `relocate::a_docket_moves_to_one_place_at_a_time`.
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<Vec<Parcel>>;

    /// Places parcels in this docket.
    ///
    /// * With counts and times as they were: `relocate::a_parcel_keeps_its_counts_and_times`.
    /// * Once, also when its task has ended since: `relocate::a_parcel_is_taken_in_once`.
    /// * A key that is unfinished here keeps its task: `relocate::a_key_taken_here_supersedes_the_parcel`.
    /// * Unless that came by a move as well, and this one is a later `schedule`:
    ///   `relocate::a_later_schedule_overtakes_what_arrived_before`.
    /// * The docket's fence goes on from that of the source: `relocate::the_fence_goes_on`.
    /// * What crosses a limit is refused alone: `relocate::an_oversized_parcel_is_refused_alone`.
    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>>;

    /// Makes sure that parcels are not taken in here any more, not even by a call that is still under way; answers
    /// [`Arrival::TurnedAway`], or what `take_in` answered before: `relocate::a_parcel_turned_away_stays_away`.
    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>>;

    /// Ends tasks here that have arrived elsewhere. Their records stay for a while, so that repeated calls are answered,
    /// and those of perpetuals for good, so that no seed begins a second chain:
    /// `relocate::what_was_let_go_is_over`, `relocate::a_perpetual_let_go_is_not_seeded_again`.
    async fn let_go(&self, tickets: &[Ticket]) -> Result<()>;

    /// Puts tasks back into their place in the line, as if they had not been taken out:
    /// `relocate::a_task_put_back_has_its_place`.
    async fn put_back(&self, tickets: &[Ticket]) -> Result<()>;
}

/// A task on its way.
#[derive(Clone, PartialEq, Debug)]
pub struct Parcel {
    /// The call that took it out.
    pub id: ParcelId,
    /// Its identity in the docket.
    pub key: Key,
    /// The task type.
    pub name: Name,
    /// The lane.
    pub queue: Queue,
    /// The arguments.
    pub args: Payload,
    /// When it may next be leased, by the clock of its store. It may have passed.
    pub visible_at: Timestamp,
    /// Its position in the lane; a release restores it.
    pub due_at: Timestamp,
    /// When this life was added.
    pub added_at: Timestamp,
    /// The interval of a perpetual.
    pub every: Option<Duration>,
    /// What the adder overrode.
    pub overrides: Overrides,
    /// Runs of this life (or occurrence) that ended with an error.
    pub attempts: u32,
    /// Leases of this life (or occurrence) that ran out unsettled.
    pub crashes: u32,
    /// Occurrences of a perpetual that failed in a row.
    pub failures: u32,
    /// Occurrences of a perpetual that ended at the crash limit in a row.
    pub crashed_in_a_row: u32,
    /// The fence drawn last for it: the runs to come have larger ones.
    pub fence: Option<Fence>,
    /// The latest error.
    pub error: Option<String>,
    /// What placed it: a later `schedule` goes before what came earlier.
    pub placed_by: Verb,
}

impl Parcel {
    /// The same by the server's clock, which is behind the docket's time by `offset`.
    #[must_use]
    pub fn behind_by(self, offset: Duration) -> Self {
        let [visible_at, due_at, added_at] =
            [self.visible_at, self.due_at, self.added_at].map(|moment| moment.behind_by(offset));
        Self { visible_at, due_at, added_at, ..self }
    }

    /// The same in the docket's time, which is ahead of the server's clock by `offset`.
    #[must_use]
    pub fn ahead_by(self, offset: Duration) -> Self {
        let [visible_at, due_at, added_at] =
            [self.visible_at, self.due_at, self.added_at].map(|moment| moment.ahead_by(offset));
        Self { visible_at, due_at, added_at, ..self }
    }

    /// By which the source knows it.
    pub fn ticket(&self) -> Ticket {
        Ticket { key: self.key.clone(), id: self.id }
    }

    /// Refuses, with the reason, what no store may take, as [`NewTask::check`] does.
    pub fn check(&self) -> Result<()> {
        let task = NewTask::keyed(self.key.clone(), self.name.clone(), Payload::default());
        NewTask { every: self.every, overrides: self.overrides, ..task }.check()
    }
}

/// By which a source knows a parcel of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The task.
    pub key: Key,
    /// The call that took it out.
    pub id: ParcelId,
}

/// What became of a parcel at its destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Arrival {
    /// It waits for a worker here.
    Placed,
    /// It is a later `schedule` of a task that had arrived before, and has taken its place.
    Moved,
    /// As `Moved`, and takes its place when the current run ends.
    Follows,
    /// The key has an unfinished task of this docket's own, which stays; the parcel is not needed.
    Superseded,
    /// It will not be taken in any more.
    TurnedAway,
}
