//! The items of a batch: checked one by one, written as columns, answered in words.

use std::borrow::Cow;

use docket_core::{
    Ack, DefinitionId, Error, ErrorKind, LeaseToken, NewTask, Outcome, Payload, Result, RunAt, limits, micros, words,
};
use sqlx::postgres::PgArguments;
use sqlx::{Encode, Postgres, Type};

use crate::request::push;

/// A batch, with the check of each item: a bad item is refused alone.
#[derive(Debug)]
pub(crate) struct Batch<'a, T> {
    items: &'a [T],
    refused: Vec<Option<Error>>,
}

impl<'a, T> Batch<'a, T> {
    /// Checks each item and its bytes of payload (by `weigh`); the whole batch must keep within the
    /// limits too.
    pub(crate) fn check(
        operation: &'static str,
        items: &'a [T],
        max_payload_bytes: usize,
        weigh: impl Fn(&T) -> Result<usize>,
    ) -> Result<Self> {
        let too_large = |message| Error::new(ErrorKind::TooLarge, operation, message);
        if items.len() > limits::BATCH_ITEMS_MAX {
            let message = format!("{} items; one batch may have {}", items.len(), limits::BATCH_ITEMS_MAX);
            return Err(too_large(message));
        }
        let mut bytes = 0;
        let mut refused = Vec::with_capacity(items.len());
        for item in items {
            refused.push(match weigh(item) {
                Ok(weight) if weight > max_payload_bytes => Some(too_large(format!(
                    "a payload of {weight} bytes, and max_payload_bytes is {max_payload_bytes}; raise it where the docket is \
                     opened, or keep the data elsewhere and pass its address"
                ))),
                Ok(weight) => {
                    bytes += weight;
                    None
                }
                Err(error) => Some(error),
            });
        }
        if bytes > limits::BATCH_BYTES_MAX {
            let message = format!("{bytes} bytes of payload; one batch may have {}", limits::BATCH_BYTES_MAX);
            return Err(too_large(message));
        }
        Ok(Self { items, refused })
    }

    /// The items to send.
    pub(crate) fn accepted(&self) -> Vec<&'a T> {
        self.items.iter().zip(&self.refused).filter(|(_, refused)| refused.is_none()).map(|(item, _)| item).collect()
    }

    /// One answer per item, in order: for the items that were sent, `read` turns their words into
    /// answers.
    pub(crate) fn answers<A>(
        self,
        operation: &'static str,
        words: Vec<String>,
        read: fn(&str) -> Option<A>,
    ) -> Result<Vec<Result<A>>> {
        let mut words = words.into_iter();
        let mut answers = Vec::with_capacity(self.items.len());
        for refused in self.refused {
            let answer = refused.map_or_else(|| Ok(words.next()), Err);
            answers.push(match answer {
                Ok(Some(word)) => words::meaning(&word, operation, read),
                Ok(None) => {
                    let message = "the function returned fewer items than it was sent";
                    return Err(Error::new(ErrorKind::Internal, operation, message));
                }
                Err(error) => Err(error),
            });
        }
        Ok(answers)
    }
}

/// The columns of schedule.sql.
pub(crate) fn write_tasks(arguments: &mut PgArguments, tasks: &[&NewTask]) -> Result<()> {
    let limit = |count: Option<u32>| count.map(i64::from);
    push(arguments, tasks.iter().map(|task| task.key.as_str()).collect::<Vec<_>>())?;
    push(arguments, tasks.iter().map(|task| *task.add_id.as_uuid()).collect::<Vec<_>>())?;
    push(arguments, tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>())?;
    push(arguments, tasks.iter().map(|task| task.queue.as_str()).collect::<Vec<_>>())?;
    push(arguments, tasks.iter().map(|task| task.args.as_bytes()).collect::<Vec<_>>())?;
    push(arguments, tasks.iter().map(|task| run_at(task.run_at).0).collect::<Vec<_>>())?;
    push(arguments, tasks.iter().map(|task| run_at(task.run_at).1).collect::<Vec<_>>())?;
    push_sparse(arguments, tasks.iter().map(|task| task.every.map(micros)).collect())?;
    push_sparse(arguments, tasks.iter().map(|task| limit(task.overrides.max_attempts)).collect())?;
    push_sparse(arguments, tasks.iter().map(|task| limit(task.overrides.max_crashes)).collect())
}

/// The function that writes the columns of one of the two.
pub(crate) type WriteTasks = fn(&mut PgArguments, &[&NewTask]) -> Result<()>;

/// The columns of add.sql.
pub(crate) fn write_adds(arguments: &mut PgArguments, tasks: &[&NewTask]) -> Result<()> {
    write_tasks(arguments, tasks)?;
    let declared = |task: &&NewTask| task.declared_for.map(|_| *DefinitionId::of(task).as_uuid());
    push_sparse(arguments, tasks.iter().map(|task| task.declared_for.map(micros)).collect())?;
    push_sparse(arguments, tasks.iter().map(declared).collect())
}

/// Adds a column that few items use. If none does, it is sent empty: missing values at the end of a
/// column are null, and reading a thousand nulls takes the server as long as a thousand numbers.
fn push_sparse<'a, T>(arguments: &mut PgArguments, mut column: Vec<Option<T>>) -> Result<()>
where
    Vec<Option<T>>: Encode<'a, Postgres> + Type<Postgres>,
{
    if column.iter().all(Option::is_none) {
        column.clear();
    }
    push(arguments, column)
}

/// A time as the functions read it: its kind and its microseconds.
fn run_at(run_at: RunAt) -> (&'static str, i64) {
    match run_at {
        RunAt::Now => ("now", 0),
        RunAt::In(delay) => ("in", micros(delay)),
        RunAt::At(moment) => ("at", moment.as_micros()),
    }
}

/// Keys, fences and requests.
pub(crate) fn write_tokens(arguments: &mut PgArguments, tokens: &[&LeaseToken]) -> Result<()> {
    push(arguments, tokens.iter().map(|token| token.key.as_str()).collect::<Vec<_>>())?;
    push(arguments, tokens.iter().map(|token| fence(token)).collect::<Vec<_>>())?;
    push(arguments, tokens.iter().map(|token| *token.request.as_uuid()).collect::<Vec<_>>())
}

/// The columns of ack.sql.
pub(crate) fn write_acks(arguments: &mut PgArguments, acks: &[&Ack]) -> Result<()> {
    write_tokens(arguments, &acks.iter().map(|ack| &ack.token).collect::<Vec<_>>())?;
    let settled: Vec<Settled<'_>> = acks.iter().map(|ack| Settled::of(&ack.outcome)).collect();
    push(arguments, settled.iter().map(|settled| settled.word).collect::<Vec<_>>())?;
    push(arguments, settled.iter().map(|settled| run_at(settled.at).0).collect::<Vec<_>>())?;
    push(arguments, settled.iter().map(|settled| run_at(settled.at).1).collect::<Vec<_>>())?;
    push_sparse(arguments, settled.iter().map(|settled| settled.content.as_deref()).collect())?;
    push(arguments, acks.iter().map(|ack| i64::from(ack.max_attempts)).collect::<Vec<_>>())?;
    push(arguments, acks.iter().map(|ack| micros(ack.retention)).collect::<Vec<_>>())
}

/// The arguments of complete.sql.
pub(crate) fn write_ack(arguments: &mut PgArguments, ack: &Ack) -> Result<()> {
    let settled = Settled::of(&ack.outcome);
    push(arguments, ack.token.key.as_str())?;
    push(arguments, fence(&ack.token))?;
    push(arguments, *ack.token.request.as_uuid())?;
    push(arguments, settled.word)?;
    push(arguments, run_at(settled.at).0)?;
    push(arguments, run_at(settled.at).1)?;
    push(arguments, settled.content.as_deref())?;
    push(arguments, i64::from(ack.max_attempts))?;
    push(arguments, micros(ack.retention))
}

/// No sequence can have drawn a fence this large: it matches no task.
fn fence(token: &LeaseToken) -> i64 {
    i64::try_from(token.fence.0).unwrap_or(i64::MAX)
}

/// An outcome as settle.sql reads it.
struct Settled<'a> {
    word: &'static str,
    at: RunAt,
    content: Option<Cow<'a, [u8]>>,
}

impl<'a> Settled<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let bytes = |payload: &'a Option<Payload>| payload.as_ref().map(|payload| payload.as_bytes().into());
        let (word, at, content) = match outcome {
            Outcome::Completed(result) => ("completed", RunAt::Now, bytes(result)),
            Outcome::Unkept { error } => ("unkept", RunAt::Now, Some(cut(error))),
            Outcome::Retry { after, error } => ("retry", RunAt::In(*after), Some(cut(error))),
            Outcome::Snooze { after } => ("snooze", RunAt::In(*after), None),
            Outcome::Undecodable { after, error } => ("undecodable", RunAt::In(*after), Some(cut(error))),
            Outcome::Release => ("release", RunAt::Now, None),
            Outcome::Dead { error } => ("dead", RunAt::Now, Some(cut(error))),
            Outcome::Repeat { at, args } => ("repeat", *at, bytes(args)),
            // `Cancelled`: an outcome of a later version has been refused before.
            _ => ("cancelled", RunAt::Now, None),
        };
        Self { word, at, content }
    }
}

fn cut(error: &str) -> Cow<'_, [u8]> {
    match limits::cut_error(error) {
        Cow::Borrowed(error) => error.as_bytes().into(),
        Cow::Owned(error) => error.into_bytes().into(),
    }
}

/// The bytes of its args; an error for a task that no store accepts.
pub(crate) fn weigh_task(task: &NewTask) -> Result<usize> {
    task.check()?;
    Ok(task.args.len())
}

/// The bytes of payload that it carries; an error for an outcome that no store accepts or this
/// build does not know.
pub(crate) fn weigh_ack(ack: &Ack) -> Result<usize> {
    ack.check()?;
    match &ack.outcome {
        Outcome::Completed(payload) | Outcome::Repeat { args: payload, .. } => {
            Ok(payload.as_ref().map_or(0, Payload::len))
        }
        Outcome::Unkept { .. }
        | Outcome::Retry { .. }
        | Outcome::Snooze { .. }
        | Outcome::Undecodable { .. }
        | Outcome::Release
        | Outcome::Dead { .. }
        | Outcome::Cancelled => Ok(0),
        newer => {
            let message = format!("this backend does not know {newer:?}");
            Err(Error::new(ErrorKind::Unsupported, "settle a task", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use docket_core::AckAnswer;

    use super::*;

    #[test]
    fn one_item_beyond_a_limit_is_refused_alone() {
        let items = [1, 11, 2];
        let batch = Batch::check("add tasks", &items, 10, |bytes| Ok(*bytes)).unwrap();
        assert_eq!(batch.accepted(), [&1, &2]);
        let answers = batch.answers("add tasks", vec!["settled".into(), "stale".into()], words::ack_answer).unwrap();
        assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(answers[0].as_ref().unwrap(), &AckAnswer::Settled);
        assert_eq!(answers[2].as_ref().unwrap(), &AckAnswer::Stale);
    }

    #[test]
    fn a_batch_beyond_its_limits_is_refused_whole() {
        let many = vec![0; limits::BATCH_ITEMS_MAX + 1];
        assert_eq!(Batch::check("x", &many, 1, |_| Ok(0)).unwrap_err().kind(), ErrorKind::TooLarge);
        let heavy = [limits::PAYLOAD_BYTES_MAX; 9];
        let batch = Batch::check("x", &heavy, limits::PAYLOAD_BYTES_MAX, |bytes| Ok(*bytes));
        assert_eq!(batch.unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
