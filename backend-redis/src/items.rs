//! The items of a batch: checked one by one, written as arguments, answered in words.

use std::borrow::Cow;
use std::time::Duration;

use docket_core::{
    Ack, DefinitionId, Error, ErrorKind, LeaseToken, NewTask, Outcome, Overrides, Payload, Result, RunAt, limits,
    micros, words,
};
use uuid::Uuid;

use crate::call::Call;
use crate::fields::Fields;
use crate::keys;
use crate::numbers::INLINE_MAX;

/// A batch, with the check of each item: a bad item is refused alone.
#[derive(Debug)]
pub(crate) struct Batch<'a, T> {
    items: &'a [T],
    refused: Vec<Option<Error>>,
    bytes: usize,
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
                    "a payload of {weight} bytes, and max_payload_bytes is {max_payload_bytes}; raise it where the \
                     docket is opened, or keep the data elsewhere and pass its address"
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
        Ok(Self { items, refused, bytes })
    }

    /// Room for the arguments of the whole batch.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + 256 * self.items.len()
    }

    /// The items to send.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = &'a T> {
        self.items.iter().zip(&self.refused).filter(|(_, refused)| refused.is_none()).map(|(item, _)| item)
    }

    /// One answer per item, in order; `read` provides those of the items sent.
    pub(crate) fn answers<A>(self, mut read: impl FnMut(&T) -> Result<Result<A>>) -> Result<Vec<Result<A>>> {
        let all = self.items.iter().zip(self.refused);
        all.map(|(item, refused)| refused.map_or_else(|| read(item), |error| Ok(Err(error)))).collect()
    }
}

/// The arguments of `read_item` in life.lua.
pub(crate) fn write_task(call: &mut Call, task: &NewTask) {
    let args = task.args.as_bytes();
    let inline = u16::try_from(args.len()).ok().filter(|bytes| *bytes <= INLINE_MAX);
    call.key(&task.key);
    let mut special = Head::default();
    if task.run_at != RunAt::Now || task.every.is_some() || task.overrides != Overrides::default() || inline.is_none() {
        special.run_at(task.run_at).micros(task.every.unwrap_or_default());
        special.count(task.overrides.max_attempts.unwrap_or(0)).count(task.overrides.max_crashes.unwrap_or(0));
        special.micros(task.declared_for.unwrap_or_default());
        if task.declared_for.is_some_and(|ttl| !ttl.is_zero()) {
            special.id(DefinitionId::of(task).as_uuid());
        }
    }
    let mut body = Head(Vec::with_capacity(args.len() + 64));
    body.short(inline.unwrap_or(0)).code(1).text(keys::lane(&task.queue, &task.name).as_bytes());
    if inline.is_some() { &mut body } else { &mut special }.0.extend(args);
    body.id(task.add_id.as_uuid()).code(ADDED);
    call.bytes(&special.0).bytes(&body.0);
}

/// The answer `added`, as a record remembers it.
const ADDED: u8 = 1;

/// The small fields of an item, in one argument: separate arguments would cost the server several
/// times as much.
#[derive(Default)]
struct Head(Vec<u8>);

impl Head {
    fn code(&mut self, code: u8) -> &mut Self {
        self.0.push(code);
        self
    }

    fn short(&mut self, count: u16) -> &mut Self {
        self.0.extend(count.to_be_bytes());
        self
    }

    fn count(&mut self, count: u32) -> &mut Self {
        self.0.extend(count.to_be_bytes());
        self
    }

    fn large(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn id(&mut self, id: &Uuid) -> &mut Self {
        self.0.extend(id.as_bytes());
        self
    }

    /// Its length, then the text; no length comes near the limit.
    fn text(&mut self, text: &[u8]) -> &mut Self {
        self.0.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.0.extend(text);
        self
    }

    fn micros(&mut self, duration: Duration) -> &mut Self {
        self.large(micros(duration).unsigned_abs())
    }

    fn run_at(&mut self, run_at: RunAt) -> &mut Self {
        match run_at {
            RunAt::Now => self.code(0).large(0),
            RunAt::In(delay) => self.code(1).micros(delay),
            // Any time before 1970 is as past as 1970.
            RunAt::At(moment) => self.code(2).large(u64::try_from(moment.as_micros()).unwrap_or(0)),
        }
    }
}

pub(crate) fn write_token(call: &mut Call, token: &LeaseToken) {
    call.key(&token.key).number(token.fence.0).id(token.request.as_uuid());
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

/// The arguments of `read_ack` in ack.lua.
pub(crate) fn write_ack(call: &mut Call, ack: &Ack) {
    let (outcome, run_at, text): (_, _, Option<Cow<'_, [u8]>>) = match &ack.outcome {
        Outcome::Completed(result) => (1, RunAt::Now, result.as_ref().map(|result| result.as_bytes().into())),
        Outcome::Retry { after, error } => (2, RunAt::In(*after), Some(cut(error))),
        Outcome::Snooze { after } => (3, RunAt::In(*after), None),
        Outcome::Release => (4, RunAt::Now, None),
        Outcome::Dead { error } => (5, RunAt::Now, Some(cut(error))),
        Outcome::Repeat { at, args } => (6, *at, args.as_ref().map(|args| args.as_bytes().into())),
        Outcome::Undecodable { after, error } => (8, RunAt::In(*after), Some(cut(error))),
        Outcome::Unkept { error } => (9, RunAt::Now, Some(cut(error))),
        // `Cancelled`: an outcome of a later version has been refused before.
        _ => (7, RunAt::Now, None),
    };
    let mut head = Head::default();
    head.code(outcome).run_at(run_at).large(ack.token.fence.0).count(ack.max_attempts).micros(ack.retention);
    head.code(u8::from(text.is_some())).id(ack.token.request.as_uuid()).text(&keys::pack(&ack.token.key));
    call.bytes(&head.0);
    if let Some(text) = text {
        call.bytes(&text);
    }
}

fn cut(error: &str) -> Cow<'_, [u8]> {
    match limits::cut_error(error) {
        Cow::Borrowed(error) => error.as_bytes().into(),
        Cow::Owned(error) => error.into_bytes().into(),
    }
}

/// The next word of an answer, converted for its item.
pub(crate) fn read_answer<A>(
    answers: &mut Fields,
    operation: &'static str,
    read: fn(&str) -> Option<A>,
) -> Result<Result<A>> {
    Ok(words::meaning(&answers.text()?, operation, read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_item_beyond_a_limit_is_refused_alone() {
        let items = [1, limits::PAYLOAD_BYTES_MAX + 1, 2];
        let batch = Batch::check("add tasks", &items, limits::PAYLOAD_BYTES_MAX, |bytes| Ok(*bytes)).unwrap();
        assert_eq!(batch.accepted().copied().collect::<Vec<_>>(), [1, 2]);
        let answers = batch.answers(|item| Ok(Ok(*item))).unwrap();
        assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!((answers[0].as_ref().ok(), answers[2].as_ref().ok()), (Some(&1), Some(&2)));
    }

    #[test]
    fn a_batch_beyond_its_limits_is_refused_whole() {
        let many = vec![0; limits::BATCH_ITEMS_MAX + 1];
        assert_eq!(Batch::check("x", &many, 1, |_| Ok(0)).unwrap_err().kind(), ErrorKind::TooLarge);
        let heavy = [limits::PAYLOAD_BYTES_MAX; 9];
        let error = Batch::check("x", &heavy, limits::PAYLOAD_BYTES_MAX, |bytes| Ok(*bytes)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}
