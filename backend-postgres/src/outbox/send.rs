//! What the queue says to a batch of rows.

use std::collections::HashMap;
use std::time::Duration;

use docket_core::{Error, ErrorKind, NewTask, Result, Store, Verb};
use tokio::time::timeout;

use super::rows::{Became, Row};

/// How long the queue may take to answer. Backends have shorter deadlines of their own.
const SEND_MAX: Duration = Duration::from_secs(8);
const OPERATION: &str = "relay the outbox";

/// What became of rows, by their numbers.
pub(super) type Known = HashMap<i64, Became>;

/// Sends rows, but for those of which it is `known` what became, and adds what becomes of each.
///
/// # Errors
///
/// That of a call that was not answered: its rows are as before.
pub(super) async fn send(queue: &dyn Store, rows: Vec<Row>, known: &mut Known) -> Result<()> {
    let (mut adds, mut schedules) = (Batch::default(), Batch::default());
    for row in rows {
        match row.task {
            _ if known.contains_key(&row.id) => {}
            Ok(task) if row.verb == Verb::Schedule => schedules.push(row.id, task),
            Ok(task) => adds.push(row.id, task),
            Err(error) => {
                known.insert(row.id, refused(&row.key, error));
            }
        }
    }
    // Side by side: the rows that are taken together have keys of their own.
    let (of_adds, of_schedules) = tokio::join!(
        adds.answered(async |tasks| queue.add(tasks).await),
        schedules.answered(async |tasks| queue.schedule(tasks).await),
    );
    adds.note(of_adds, known).and(schedules.note(of_schedules, known))
}

/// Rows of one verb.
#[derive(Default)]
struct Batch {
    ids: Vec<i64>,
    tasks: Vec<NewTask>,
}

impl Batch {
    fn push(&mut self, id: i64, task: NewTask) {
        self.ids.push(id);
        self.tasks.push(task);
    }

    /// The answers, in time; nothing is asked for none.
    async fn answered<A>(&self, ask: impl AsyncFnOnce(&[NewTask]) -> Result<Vec<Result<A>>>) -> Result<Vec<Result<A>>> {
        if self.tasks.is_empty() {
            return Ok(Vec::new());
        }
        timeout(SEND_MAX, ask(&self.tasks))
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, OPERATION, "the queue did not answer in time")))
    }

    /// Notes what became of each.
    fn note<A>(&self, answers: Result<Vec<Result<A>>>, known: &mut Known) -> Result<()> {
        for ((id, task), answer) in self.ids.iter().zip(&self.tasks).zip(answers?) {
            let became = match answer {
                Ok(_) => Became::Done,
                // Whether that can help was decided where the store's answer is known.
                Err(error) if error.is_retryable() => {
                    tracing::warn!(key = %task.key, ?error, "the queue cannot take a task of the outbox now; trying again");
                    Became::Failed(error.chain())
                }
                Err(error) => refused(task.key.as_str(), error.chain()),
            };
            known.insert(*id, became);
        }
        Ok(())
    }
}

fn refused(key: &str, error: String) -> Became {
    tracing::error!(key, error, "the queue refuses a task of the outbox for good; its row stays there");
    Became::Refused(error)
}
