//! Polls for tasks: one, or as many as a wait takes.

use std::time::Duration;

use docket_core::{LeaseReply, LeaseRequest, Result};
use tokio::time::Instant;

use crate::RedisBackend;
use crate::request::{self, Look, Looked};
use crate::scripts;
use crate::wait::{LINGER, Listed, Waiter};

/// The longest wait of one lease call; a call that asks for more is answered after this.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

impl RedisBackend {
    /// One poll for tasks. The waiters of the lists in `stood_by` rely on it.
    pub(crate) async fn look(&self, request: &LeaseRequest, look: Look<'_>, stood_by: &[String]) -> Result<Looked> {
        let mut call = self.call(&scripts::LEASE, 1_024);
        request::write(&mut call, request, look, stood_by)?;
        let looked_at = std::time::Instant::now();
        let mut looked = request::read(&mut self.run(&call, "lease tasks").await?, request)?;
        looked.reply.looked_at = Some(looked_at);
        self.report(&looked);
        Ok(looked)
    }

    /// Polls, waits for a wake-up, and polls again, until there is an answer; `listed`: the first
    /// poll was already made. Returns whether the last poll was the first of the next call.
    pub(crate) async fn wait(
        &self,
        request: &LeaseRequest,
        waiter: &Waiter,
        lists: Vec<String>,
        listed: Option<Listed>,
    ) -> Result<(LeaseReply, Option<Listed>)> {
        let wait = request.wait.min(WAIT_MAX);
        let end = Instant::now() + wait;
        let block_on = |block, due| waiter.wait(lists.iter().map(|list| self.keys.key(list)).collect(), block, due);
        let mut stood_by = Vec::new();
        if let Some(Listed { due, .. }) = listed.filter(|listed| listed.until >= end) {
            stood_by = block_on(wait, due.map(|due| due.saturating_duration_since(Instant::now()))).await?;
        }
        loop {
            let (left, waiter, lists) = (end.saturating_duration_since(Instant::now()), waiter.listed_as(), &lists[..]);
            let is_last = left < Duration::from_millis(1);
            let block = if is_last { wait + LINGER } else { left }.min(request::longest_block(lists));
            let look = match is_last {
                false => Look::Waiting { waiter, block, lists },
                true if block < LINGER * 2 => Look::Last(Some(waiter)),
                true => Look::Ending { waiter, block, lists },
            };
            let looked = self.look(request, look, &stood_by).await?;
            if looked.answered {
                let now = Instant::now();
                let listed = looked.waiting.then(|| Listed {
                    lists: lists.to_vec(),
                    due: looked.due.map(|due| now + due),
                    until: now + block,
                });
                return Ok((looked.reply, listed));
            }
            stood_by = block_on(block, looked.due).await?;
        }
    }

    /// Logs records that somebody must look at.
    pub(crate) fn report(&self, looked: &Looked) {
        for key in &looked.parked {
            tracing::error!(docket = %self.docket, %key, "record cannot be read; parked, and kept as it is");
        }
    }
}
