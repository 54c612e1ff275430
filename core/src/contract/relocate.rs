//! Moving the unfinished tasks of a docket to another store.

use std::time::Duration;

use async_trait::async_trait;

use crate::contract::{
    Destination, Error, ErrorKind, Fence, NewTask, Overrides, ParcelId, Payload, Queue, Result, Store, Swept, TaskKey,
    TaskName, Timestamp, Verb,
};

/// How a docket exports its unfinished tasks, and how another accepts them.
///
/// Four steps; anybody may repeat each, with any pause in between. The **source** exports tasks,
/// the **destination** accepts them, the mover compares, and the source lets go. At any time a task
/// can be leased in at most one of the two, and its record is in at least one; between the first
/// step and the last it is [`crate::TaskState::Moving`] at the source. A docket moves to one
/// destination at a time.
///
/// An optional ability of a store: [`crate::QueueBackend::as_relocate`]. `docs/transitions.md` says how the source answers calls about a task that is moving or was let
/// go.
///
/// # Cancel safety
///
/// Dropping a call is like losing its reply; repeating it is safe.
#[async_trait]
pub trait Relocate: Send + Sync {
    /// Takes queued tasks out of every lane, for `to`, and returns them whole.
    ///
    /// * No worker leases an exported task, however long that lasts:
    ///   `relocate::a_task_that_moves_is_not_leased`.
    /// * A parcel has the args, times, counts and error of its task:
    ///   `relocate::a_parcel_carries_the_whole_task`.
    /// * In the order of the lanes, and no more than `limit`:
    ///   `relocate::parcels_come_in_the_order_of_the_line`.
    /// * A later call first returns those that were not let go:
    ///   `relocate::what_was_taken_out_comes_again`.
    /// * A running task stays; an expired lease is swept first, as by a lease call of a worker of
    ///   any name, and the tasks that end by that are returned: `relocate::a_running_task_stays`,
    ///   `relocate::a_lost_lease_is_one_crash`, `relocate::what_the_sweep_ends_is_told`.
    /// * While tasks move to another destination it is a `Conflict`:
    ///   `relocate::a_docket_moves_to_one_place_at_a_time`.
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<TakenOut>;

    /// Places parcels in this docket.
    ///
    /// * With their counts and times: `relocate::a_parcel_keeps_its_counts_and_times`.
    /// * Once, also if its task has ended since: `relocate::a_parcel_is_taken_in_once`.
    /// * An unfinished task of this docket keeps its key:
    ///   `relocate::a_key_taken_here_supersedes_the_parcel`.
    /// * Unless that task came by a move as well, and this parcel is a later `schedule`:
    ///   `relocate::a_later_schedule_overtakes_what_arrived_before`.
    /// * The docket's fences continue above those of the source: `relocate::the_fence_goes_on`.
    /// * A parcel beyond a limit is refused alone:
    ///   `relocate::an_oversized_parcel_is_refused_alone`.
    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>>;

    /// Makes sure that these parcels are not accepted here later, not even by a call that is still
    /// under way. Answers [`Arrival::TurnedAway`], or the earlier answer of `take_in`:
    /// `relocate::a_parcel_turned_away_stays_away`.
    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>>;

    /// Ends tasks here that have arrived elsewhere. Their records stay for a while, so that
    /// repeated calls get answers; those of periodic tasks stay for good, so that no worker seeds a
    /// second chain: `relocate::what_was_let_go_is_over`,
    /// `relocate::a_periodic_task_let_go_is_not_seeded_again`.
    async fn let_go(&self, tickets: &[Ticket]) -> Result<()>;

    /// Puts tasks back at their position in the lane, as if they had never been exported:
    /// `relocate::a_task_put_back_has_its_place`.
    async fn put_back(&self, tickets: &[Ticket]) -> Result<()>;
}

/// The calls of [`Relocate`] on a store that may lack it, which is then `Unsupported`.
macro_rules! relocate_if_offered {
    ($store:ty) => {
        impl $store {
            fn relocate(&self) -> Result<&dyn Relocate> {
                self.as_relocate().ok_or_else(|| {
                    let message = format!("a store of {} cannot move tasks elsewhere", self.capabilities().scheme);
                    Error::new(ErrorKind::Unsupported, "move tasks", message)
                })
            }

            /// See [`Relocate::take_out`].
            pub async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<TakenOut> {
                self.relocate()?.take_out(to, id, limit).await
            }

            /// See [`Relocate::take_in`].
            pub async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
                self.relocate()?.take_in(parcels).await
            }

            /// See [`Relocate::turn_away`].
            pub async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
                self.relocate()?.turn_away(parcels).await
            }

            /// See [`Relocate::let_go`].
            pub async fn let_go(&self, tickets: &[Ticket]) -> Result<()> {
                self.relocate()?.let_go(tickets).await
            }

            /// See [`Relocate::put_back`].
            pub async fn put_back(&self, tickets: &[Ticket]) -> Result<()> {
                self.relocate()?.put_back(tickets).await
            }
        }
    };
}

relocate_if_offered!(dyn Store + '_);
#[cfg(feature = "testing")]
relocate_if_offered!(dyn crate::contract::TestStore + '_);

/// The result of [`Relocate::take_out`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TakenOut {
    /// The tasks, in the order of the lanes.
    pub parcels: Vec<Parcel>,
    /// The expired leases found on the way: for the log, so that nothing ends unseen.
    pub swept: Swept,
}

/// A task on its way to another store.
#[derive(Clone, PartialEq, Debug)]
pub struct Parcel {
    /// The call that took it out.
    pub id: ParcelId,
    /// Its identity in the docket.
    pub key: TaskKey,
    /// The task type.
    pub name: TaskName,
    /// Its queue.
    pub queue: Queue,
    /// The arguments.
    pub args: Payload,
    /// When it may next be leased, by the clock of its store. It may have passed.
    pub visible_at: Timestamp,
    /// Its position in the lane; a release restores it.
    pub due_at: Timestamp,
    /// When this life was added.
    pub added_at: Timestamp,
    /// The interval of a periodic task.
    pub every: Option<Duration>,
    /// Overrides by the adder.
    pub overrides: Overrides,
    /// Runs of this life (or occurrence) that ended with an error.
    pub attempts: u32,
    /// Leases of this life (or occurrence) that expired unsettled.
    pub crashes: u32,
    /// Occurrences of a periodic task that failed in a row.
    pub failures: u32,
    /// Occurrences of a periodic task that ended at the crash limit in a row.
    pub crashed_in_a_row: u32,
    /// Its latest fence: later runs have larger ones.
    pub fence: Option<Fence>,
    /// The latest error.
    pub error: Option<String>,
    /// How it was placed: a later `schedule` supersedes an earlier parcel.
    pub placed_by: Verb,
}

impl Parcel {
    /// The same in the server's clock, which is behind the docket's time by `offset`.
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

    /// Identifies it at the source.
    pub fn ticket(&self) -> Ticket {
        Ticket { key: self.key.clone(), id: self.id }
    }

    /// Refuses, with the reason, a parcel that no store accepts, as [`NewTask::check`] does.
    pub fn check(&self) -> Result<()> {
        let task = NewTask::keyed(self.key.clone(), self.name.clone(), Payload::default());
        NewTask { every: self.every, overrides: self.overrides, ..task }.check()
    }
}

/// Identifies a parcel at its source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The task.
    pub key: TaskKey,
    /// The call that took it out.
    pub id: ParcelId,
}

/// The answer of the destination to a parcel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Arrival {
    /// It waits for a worker here.
    Placed,
    /// It is a later `schedule` of a task that had arrived before, and has replaced that task.
    Moved,
    /// As `Moved`, but it takes its place when the current run ends.
    Follows,
    /// An unfinished task of this docket has the key and stays; the parcel is not needed.
    Superseded,
    /// It will not be accepted later either.
    TurnedAway,
}
