//! The queue's answers to a batch of rows.

use std::collections::HashMap;
use std::time::Duration;

use docket_core::{Error, ErrorKind, NewTask, Result, Store, Verb};
use tokio::time::timeout;

use super::rows::{Became, Row};

/// How long the queue may take to answer. Backends have shorter deadlines of their own.
const SEND_MAX: Duration = Duration::from_secs(8);
const OPERATION: &str = "relay the outbox";

/// The fate of rows, by their ids.
pub(super) type Known = HashMap<i64, Became>;

/// Sends the rows whose fate is not `known`, and adds the fate of each.
///
/// # Errors
///
/// That of a call without an answer: its rows are as before.
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
    // Concurrently: rows that are taken together have different keys.
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

    /// The answers, in time; an empty batch asks nothing.
    async fn answered<A>(&self, ask: impl AsyncFnOnce(&[NewTask]) -> Result<Vec<Result<A>>>) -> Result<Vec<Result<A>>> {
        if self.tasks.is_empty() {
            return Ok(Vec::new());
        }
        timeout(SEND_MAX, ask(&self.tasks))
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, OPERATION, "the queue did not answer in time")))
    }

    /// Notes the fate of each row.
    fn note<A>(&self, answers: Result<Vec<Result<A>>>, known: &mut Known) -> Result<()> {
        for ((id, task), answer) in self.ids.iter().zip(&self.tasks).zip(answers?) {
            let became = match answer {
                Ok(_) => Became::Done,
                // The store's backend has decided whether a retry can help.
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
