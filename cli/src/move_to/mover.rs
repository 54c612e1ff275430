//! The steps of a move, batch by batch. Each may be repeated, so another mover can take over from
//! one that was killed anywhere.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use docket::{Arrival, Destination, Error, Parcel, ParcelId, Result, Store, TaskState, Ticket, limits};
use tokio::time::{Instant, sleep};

use super::{cancels, verify};
use crate::end::{End, Outcome};
use crate::output;

/// The interval of looks at a source whose remaining tasks all run.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The interval of remarks about the progress.
const SAY_AGAIN: Duration = Duration::from_secs(2);
/// How long a call is repeated while a store cannot accept it.
const PATIENCE: Duration = limits::REPEAT_MAX;
/// Between two of them.
const CALL_AGAIN: Duration = Duration::from_millis(200);
/// States that a docket that has moved has no tasks in.
const UNFINISHED: [TaskState; 4] = [TaskState::Scheduled, TaskState::Ready, TaskState::Running, TaskState::Moving];

pub(crate) struct Mover {
    from: Arc<dyn Store>,
    to: Arc<dyn Store>,
    place: Destination,
    moved: usize,
    superseded: usize,
    put_back: usize,
    /// Whether the two sides are known to differ.
    sides: Sides,
    said: Instant,
    /// When a task last arrived, or turned out to be superseded.
    progress: Instant,
}

/// Two URLs may name one docket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    Unknown,
    Two,
}

/// The fate of a batch.
#[derive(Default)]
struct Sorted {
    /// To be compared, and let go.
    arrived: Vec<Parcel>,
    /// To be let go.
    superseded: Vec<Parcel>,
    /// To be put back.
    refused: Vec<Parcel>,
    /// Why one of them was refused, or must come again.
    why: Option<Error>,
}

impl Mover {
    pub(crate) fn new(from: Arc<dyn Store>, to: Arc<dyn Store>, place: Destination) -> Self {
        let now = Instant::now();
        Self { from, to, place, moved: 0, superseded: 0, put_back: 0, sides: Sides::Unknown, said: now, progress: now }
    }

    pub(crate) fn summary(&self) -> String {
        let Self { moved, superseded, put_back, .. } = self;
        let tasks = |count: usize| format!("{count} {}", if count == 1 { "task" } else { "tasks" });
        // Writing into a text cannot fail.
        let mut said = format!("{} moved and compared", tasks(*moved));
        if *superseded > 0 {
            let _ = write!(said, ", {superseded} superseded by what the destination had");
        }
        if *put_back > 0 {
            let _ = write!(said, ", {put_back} put back");
        }
        said
    }

    /// Runs until nothing unfinished is left at the source.
    pub(crate) async fn run(&mut self) -> Outcome {
        loop {
            // The first one alone: if both sides are one docket, only this one must be put back.
            let limit = if self.sides == Sides::Two { limits::BATCH_ITEMS_MAX } else { 1 };
            let parcels = self.take_out(limit).await?;
            if let Some(first) = parcels.first()
                && self.sides == Sides::Unknown
            {
                self.refuse_one_docket_by_two_names(first).await?;
                self.sides = Sides::Two;
            }
            if !parcels.is_empty() {
                self.pass_on(parcels).await?;
                self.say("");
                continue;
            }
            let running = self.count(&[TaskState::Running]).await?;
            if running == 0 && self.count(&UNFINISHED).await? == 0 {
                // Last: until then tasks may be cancelled here.
                return Ok(cancels::carry(&self.from, &self.to).await?);
            }
            self.say(&format!("; waiting for {running} that still run"));
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Puts back the tasks that have not arrived, and lets go of those that have.
    pub(crate) async fn abandon(&mut self) -> Outcome {
        loop {
            // No more than there are: further ones would be exported only to be put back.
            let moving = self.count(&[TaskState::Moving]).await?;
            let parcels = if moving == 0 { Vec::new() } else { self.take_out(moving).await? };
            if parcels.is_empty() {
                return Ok(());
            }
            let answers = patiently(|| self.to.turn_away(&parcels)).await?;
            let sorted = sort(parcels, answers);
            self.settle(&sorted).await?;
            self.go_on(sorted).await?;
        }
    }

    /// A key that is moving at the source is also moving at the destination only if both are one
    /// docket.
    async fn refuse_one_docket_by_two_names(&self, parcel: &Parcel) -> Outcome {
        let there = patiently(|| self.to.get(&parcel.key)).await?;
        if there.is_none_or(|view| view.state != TaskState::Moving) {
            return Ok(());
        }
        let back = [parcel.ticket()];
        patiently(|| self.from.put_back(&back)).await?;
        Err(End::usage(format!(
            "{} is moving at the destination too: either both URLs name the same docket, or the destination is being moved \
             on; nothing was moved",
            parcel.key
        )))
    }

    async fn take_out(&self, limit: usize) -> Result<Vec<Parcel>> {
        let id = ParcelId::unique();
        let taken = patiently(|| self.from.take_out(&self.place, id, limit)).await?;
        taken.swept.log(&"docket move");
        Ok(taken.parcels)
    }

    async fn pass_on(&mut self, parcels: Vec<Parcel>) -> Outcome {
        let answers = patiently(|| self.to.take_in(&parcels)).await?;
        let mut sorted = sort(parcels, answers);
        let differences = patiently(|| verify::differences(&self.to, &sorted.arrived)).await?;
        if !differences.is_empty() {
            return Err(End::failed(format!(
                "the destination does not hold what was sent, so this batch stays at the source: {}",
                differences.join("; ")
            )));
        }
        self.turn_away_refused(&mut sorted).await?;
        self.settle(&sorted).await?;
        match &sorted.why {
            Some(error) if !sorted.refused.is_empty() => Err(End::failed(format!(
                "{} of the tasks cannot be taken in and were put back: {}",
                sorted.refused.len(),
                error.chain()
            ))),
            _ => self.go_on(sorted).await,
        }
    }

    /// Tasks that could not be accepted come again with the next batch, while anything moves.
    async fn go_on(&mut self, sorted: Sorted) -> Outcome {
        let moves = !(sorted.arrived.is_empty() && sorted.superseded.is_empty() && sorted.refused.is_empty());
        match sorted.why {
            _ if moves => self.progress = Instant::now(),
            Some(error) if self.progress.elapsed() >= PATIENCE => return Err(error.into()),
            _ => sleep(CALL_AGAIN).await,
        }
        Ok(())
    }

    /// Makes sure that a task that is put back is not accepted by a call that is still under way.
    async fn turn_away_refused(&self, sorted: &mut Sorted) -> Result<()> {
        if sorted.refused.is_empty() {
            return Ok(());
        }
        let refused = std::mem::take(&mut sorted.refused);
        let answers = patiently(|| self.to.turn_away(&refused)).await?;
        let again = sort(refused, answers);
        sorted.arrived.extend(again.arrived);
        sorted.superseded.extend(again.superseded);
        sorted.refused = again.refused;
        Ok(())
    }

    async fn settle(&mut self, sorted: &Sorted) -> Result<()> {
        let over = tickets(sorted.arrived.iter().chain(&sorted.superseded));
        patiently(|| self.from.let_go(&over)).await?;
        let back = tickets(&sorted.refused);
        patiently(|| self.from.put_back(&back)).await?;
        for parcel in &sorted.superseded {
            output::remark(&format!("{} is unfinished at the destination already; that one stays", parcel.key));
        }
        self.moved += sorted.arrived.len();
        self.superseded += sorted.superseded.len();
        self.put_back += sorted.refused.len();
        Ok(())
    }

    /// How many tasks of the source are in one of `states`.
    async fn count(&self, states: &[TaskState]) -> Result<usize> {
        let mut lanes = patiently(|| self.from.counts()).await?;
        let count: u64 =
            lanes.iter_mut().flat_map(|lane| states.iter().map(|state| *lane.of(*state)).collect::<Vec<_>>()).sum();
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn say(&mut self, more: &str) {
        if self.said.elapsed() >= SAY_AGAIN {
            self.said = Instant::now();
            output::remark(&format!("{}{more}", self.summary()));
        }
    }
}

fn sort(parcels: Vec<Parcel>, answers: Vec<Result<Arrival>>) -> Sorted {
    let mut sorted = Sorted::default();
    for (parcel, answer) in parcels.into_iter().zip(answers) {
        match answer {
            Ok(Arrival::Placed | Arrival::Moved | Arrival::Follows) => sorted.arrived.push(parcel),
            Ok(Arrival::Superseded) => sorted.superseded.push(parcel),
            Ok(_) => sorted.refused.push(parcel),
            Err(error) => {
                if !error.is_retryable() {
                    sorted.refused.push(parcel);
                }
                sorted.why = Some(error);
            }
        }
    }
    sorted
}

fn tickets<'a>(parcels: impl IntoIterator<Item = &'a Parcel>) -> Vec<Ticket> {
    parcels.into_iter().map(Parcel::ticket).collect()
}

/// Repeats a call while its errors are retryable, for a limited time.
pub(super) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let end = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(error) if error.is_retryable() && Instant::now() < end => sleep(CALL_AGAIN).await,
            answer => return answer,
        }
    }
}
