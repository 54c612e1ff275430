//! Looking for tasks: one look is one statement, and a wait is listening, or a pause, between two looks.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use docket_core::{LeaseReply, LeaseRequest, Result, Swept};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::PostgresBackend;
use crate::request::{self, Look, Looked};

/// The longest wait of one lease call; one that asks for more is answered after this.
const WAIT_MAX: Duration = Duration::from_hours(1);
/// How much longer than it waits a waiter is noted, so that its last look comes before its end.
const NOTED_LONGER: Duration = Duration::from_secs(5);
/// The pauses between looks while another call holds what might be taken: from the first, doubling, to the last.
const HELD_PAUSE_MIN: Duration = Duration::from_millis(2);
/// See [`HELD_PAUSE_MIN`].
const HELD_PAUSE_MAX: Duration = Duration::from_millis(200);
/// How long such looks go on in a call that does not wait.
const HELD_MAX: Duration = Duration::from_millis(60);

/// A statement that nobody waits for.
type Forget = Pin<Box<dyn Future<Output = ()> + Send>>;

impl PostgresBackend {
    /// Takes a waiter off the list.
    fn forget(&self, waiter: Uuid) -> Result<Forget> {
        let (commands, statement) = (self.commands.clone(), self.statements().forget.clone());
        let mut arguments = self.arguments()?;
        request::push(&mut arguments, waiter)?;
        Ok(Box::pin(async move {
            if let Err(error) = commands.row(&statement, arguments, "forget a waiter").await {
                tracing::debug!(?error, "could not remove a waiter that has left");
            }
        }))
    }

    /// One look for tasks.
    async fn look(&self, request: &LeaseRequest, look: Look) -> Result<Looked> {
        let mut arguments = self.arguments()?;
        request::write(&mut arguments, Some(request), look)?;
        let looked_at = std::time::Instant::now();
        let row = self.commands.row(&self.statements().lease, arguments, "lease tasks").await?;
        let mut looked = request::read(&row, request)?;
        looked.reply.looked_at = Some(looked_at);
        Ok(looked)
    }

    /// Looks until there is an answer, be it empty.
    pub(crate) async fn look_at_once(
        &self,
        request: &LeaseRequest,
        waiter: Option<Uuid>,
        swept: &mut Swept,
    ) -> Result<LeaseReply> {
        let (end, mut pause) = (Instant::now() + HELD_MAX, HELD_PAUSE_MIN);
        loop {
            let look = if Instant::now() < end { Look::Last { waiter } } else { Look::Final { waiter } };
            let looked = self.look(request, look).await?;
            absorb(swept, &looked.reply.swept);
            if looked.answered {
                return Ok(LeaseReply { swept: std::mem::take(swept), ..looked.reply });
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    /// Looks every now and then until there is an answer: behind a pooler nobody is woken.
    pub(crate) async fn poll(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        let end = Instant::now() + request.wait.min(WAIT_MAX);
        let mut swept = Swept::default();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left < Duration::from_millis(1) {
                return self.look_at_once(request, None, &mut swept).await;
            }
            let looked = self.look(request, Look::Polling).await?;
            absorb(&mut swept, &looked.reply.swept);
            if looked.answered {
                return Ok(LeaseReply { swept, ..looked.reply });
            }
            let due = looked.due.unwrap_or(left).max(HELD_PAUSE_MIN);
            sleep(due.min(self.commands.server.options.poll).min(left)).await;
        }
    }

    /// Looks, waits for a wake-up, and looks again, until there is an answer.
    pub(crate) async fn wait(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        let end = Instant::now() + request.wait.min(WAIT_MAX);
        let (waiter, mut swept, mut pause) = (Uuid::now_v7(), Swept::default(), HELD_PAUSE_MIN);
        let (mut ear, mut deputy) = (self.listener.again(), BTreeSet::new());
        // Whoever leaves in the middle is on the list: what it was woken for is told to the others.
        let leaving = Leaving { forget: Some(self.forget(waiter)?) };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left < Duration::from_millis(1) {
                let reply = self.look_at_once(request, Some(waiter), &mut swept).await?;
                leaving.end();
                return Ok(reply);
            }
            if let Some((_, ear)) = &mut ear {
                ear.forget();
            }
            let was_open = ear.as_ref().is_some_and(|(_, ear)| ear.is_open());
            let asked_at = Instant::now();
            let lanes = std::mem::take(&mut deputy).into_iter().collect();
            let look = Look::Waiting { waiter, block: left + NOTED_LONGER, deputy: lanes };
            let looked = self.look(request, look).await?;
            let looked_at = asked_at + asked_at.elapsed() / 2;
            absorb(&mut swept, &looked.reply.swept);
            if looked.answered {
                leaving.end();
                return Ok(LeaseReply { swept, ..looked.reply });
            }
            let channel = looked.channel.unwrap_or_default();
            // Order matters: it listens, and then it looks and is noted. What came before that, the look finds.
            if !was_open || ear.as_ref().is_none_or(|(heard, _)| *heard != channel) {
                let mut new = self.listener.listen(&channel);
                ear = new.open(end).await.then_some((channel, new));
                continue;
            }
            if looked.due == Some(Duration::ZERO) {
                sleep(pause.min(left)).await;
                pause = (pause * 2).min(HELD_PAUSE_MAX);
                continue;
            }
            pause = HELD_PAUSE_MIN;
            // From the middle of the call: from its beginning the next look would sometimes come too early, and be one more.
            let due = looked.due.map_or(end, |due| end.min(looked_at + due));
            let hears = match &mut ear {
                Some((_, ear)) => ear.wait(request, waiter, due, &mut deputy).await,
                None => false,
            };
            if !hears {
                ear = None;
            }
        }
    }
}

/// Takes a waiter off the list when its call is dropped.
struct Leaving {
    forget: Option<Forget>,
}

impl Leaving {
    /// Its last look has taken it off.
    fn end(mut self) {
        self.forget = None;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // Safe to lose: the others look all the same, only later.
        if let (Some(forget), Ok(runtime)) = (self.forget.take(), Handle::try_current()) {
            runtime.spawn(forget);
        }
    }
}

/// What the looks of one call did on the way is told in its one answer.
fn absorb(all: &mut Swept, look: &Swept) {
    all.crashed += look.crashed;
    all.limited.extend_from_slice(&look.limited);
    all.dead_trimmed += look.dead_trimmed;
}
