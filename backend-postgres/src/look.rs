//! Polling for tasks: one poll is one statement. A wait listens, or pauses, between two polls.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use docket_core::{LeaseReply, LeaseRequest, Result, Swept};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::PostgresBackend;
use crate::request::{self, Look, Looked};

/// The longest wait of one lease call; a call that asks for more is answered after this.
const WAIT_MAX: Duration = Duration::from_hours(1);
/// How much longer than its wait a waiter stays registered, so that its last poll comes before its
/// registration ends.
const NOTED_LONGER: Duration = Duration::from_secs(5);
/// The pauses between polls while another call has locked rows: the first, and doubling, the last.
const HELD_PAUSE_MIN: Duration = Duration::from_millis(2);
/// See [`HELD_PAUSE_MIN`].
const HELD_PAUSE_MAX: Duration = Duration::from_millis(200);
/// How long a call that does not wait polls for locked rows.
const HELD_MAX: Duration = Duration::from_millis(60);

/// A statement whose answer is ignored.
type Forget = Pin<Box<dyn Future<Output = ()> + Send>>;

impl PostgresBackend {
    /// Removes a waiter.
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

    /// One poll for tasks.
    async fn look(&self, request: &LeaseRequest, look: Look) -> Result<Looked> {
        let mut arguments = self.arguments()?;
        request::write(&mut arguments, request, look)?;
        let looked_at = std::time::Instant::now();
        let row = self.commands.row(&self.statements().lease, arguments, "lease tasks").await?;
        let mut looked = request::read(&row, request)?;
        looked.reply.looked_at = Some(looked_at);
        Ok(looked)
    }

    /// Polls until there is an answer, even an empty one.
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

    /// Polls at an interval until there is an answer: behind a pooler there are no wake-ups.
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

    /// Polls, waits for a wake-up, and polls again, until there is an answer.
    pub(crate) async fn wait(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        let end = Instant::now() + request.wait.min(WAIT_MAX);
        let (waiter, mut swept, mut pause) = (Uuid::now_v7(), Swept::default(), HELD_PAUSE_MIN);
        let (mut ear, mut deputy) = (self.listener.again(), BTreeSet::new());
        // If the caller leaves now, the waiter is registered: its wake-up must be passed on.
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
            // Order matters: listen first, then poll and register. The poll finds tasks from before
            // that.
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
            // Counted from the middle of the call: counted from its start, the next poll would
            // sometimes be too early, and need one more.
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

/// Removes a waiter when its call is dropped.
struct Leaving {
    forget: Option<Forget>,
}

impl Leaving {
    /// Its last poll has already removed it.
    fn end(mut self) {
        self.forget = None;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // Safe to lose: the other waiters poll anyway, only later.
        if let (Some(forget), Ok(runtime)) = (self.forget.take(), Handle::try_current()) {
            runtime.spawn(forget);
        }
    }
}

/// Adds the crashes of one poll to the answer of the call.
fn absorb(all: &mut Swept, look: &Swept) {
    all.crashed += look.crashed;
    all.limited.extend_from_slice(&look.limited);
    all.dead_trimmed += look.dead_trimmed;
}
