//! Rows that the queue has answered for, until its answers are on disk.

use std::collections::HashSet;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{Result, Store};
use tokio::time::timeout;

use super::rows::Became;
use super::send::Known;

/// How long a batch waits for the queue's disk, so that its rows can be deleted in the transaction
/// that took them. Slower writes are deleted later, and new rows do not wait for them.
const AT_ONCE: Duration = Duration::from_millis(5);

/// Rows that the queue is writing to its disk, and rows it has written.
#[derive(Default)]
pub(super) struct Persisting {
    asked: Option<Asked>,
    written: HashSet<i64>,
    /// Rows that the queue has lost.
    lost: Vec<i64>,
}

/// A question to the queue about the rows it had answered for.
struct Asked {
    rows: Vec<i64>,
    answer: Pin<Box<dyn Future<Output = Result<()>> + Send>>,
}

impl fmt::Debug for Persisting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persisting").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Persisting {
    /// Asks the queue about the rows it has answered for, one question at a time. Answers whether
    /// it may have lost some: those are no longer `known` and are sent again.
    pub(super) async fn see_to(&mut self, queue: &Arc<dyn Store>, known: &mut Known) -> bool {
        if self.asked.is_none() {
            let done = known.iter().filter(|(id, became)| **became == Became::Done && !self.written.contains(id));
            let rows: Vec<i64> = done.map(|(id, _)| *id).collect();
            if !rows.is_empty() {
                let queue = queue.clone();
                self.asked = Some(Asked { rows, answer: Box::pin(async move { queue.persist().await }) });
            }
        }
        // Safe to lose: the question stays asked.
        let _ = timeout(AT_ONCE, self.ended()).await;
        let lost = std::mem::take(&mut self.lost);
        for id in &lost {
            known.remove(id);
        }
        !lost.is_empty()
    }

    /// Waits until the current question is answered; forever if there is none.
    pub(super) async fn ended(&mut self) {
        let Some(asked) = &mut self.asked else { return pending().await };
        let answer = asked.answer.as_mut().await;
        let rows = self.asked.take().map(|asked| asked.rows).unwrap_or_default();
        match answer {
            Ok(()) => self.written.extend(rows),
            Err(error) => {
                tracing::debug!(
                    ?error,
                    rows = rows.len(),
                    "the queue may have lost rows of the outbox; sending them again"
                );
                self.lost = rows;
            }
        }
    }

    /// The rows whose fate is final.
    pub(super) fn may_settle(&self, known: &Known) -> Vec<(i64, Became)> {
        let is_final = |id: &i64, became: &Became| *became != Became::Done || self.written.contains(id);
        known.iter().filter(|(id, became)| is_final(id, became)).map(|(id, became)| (*id, became.clone())).collect()
    }

    pub(super) fn forget(&mut self, id: i64) {
        self.written.remove(&id);
    }
}
