//! The limits of [`docket_core::limits`], checked before the lock is taken: an item alone, a batch as a whole.

use docket_core::{Ack, Error, ErrorKind, LeaseRequest, NewTask, Outcome, Parcel, Result, limits};

/// Rejects a batch of too many items, or of too many bytes in items that are small enough alone.
pub(crate) fn batch(
    operation: &'static str,
    payloads: impl ExactSizeIterator<Item = usize>,
    bytes_max: usize,
) -> Result<()> {
    at_most(operation, "items in a batch", payloads.len(), limits::BATCH_ITEMS_MAX)?;
    at_most(operation, "bytes in a batch", payloads.filter(|bytes| *bytes <= bytes_max).sum(), limits::BATCH_BYTES_MAX)
}

/// Rejects a task that breaks a limit of the contract, or whose args are too large.
pub(crate) fn task(operation: &'static str, task: &NewTask, bytes_max: usize) -> Result<()> {
    task.check()?;
    payload(operation, "args", task.args.len(), bytes_max)
}

/// Rejects a parcel that breaks a limit of the contract, or whose args are too large.
pub(crate) fn parcel(operation: &'static str, parcel: &Parcel, bytes_max: usize) -> Result<()> {
    parcel.check()?;
    payload(operation, "args", parcel.args.len(), bytes_max)
}

/// Rejects an outcome that cannot be stored. Its lease does not change.
pub(crate) fn ack(ack: &Ack, bytes_max: usize) -> Result<()> {
    let operation = "settle a task";
    ack.check()?;
    match &ack.outcome {
        Outcome::Completed(Some(result)) => payload(operation, "result", result.len(), bytes_max),
        Outcome::Repeat { args: Some(args), .. } => payload(operation, "args", args.len(), bytes_max),
        Outcome::Completed(None)
        | Outcome::Unkept { .. }
        | Outcome::Repeat { .. }
        | Outcome::Retry { .. }
        | Outcome::Snooze { .. }
        | Outcome::Undecodable { .. }
        | Outcome::Release
        | Outcome::Dead { .. }
        | Outcome::Cancelled => Ok(()),
        newer => Err(Error::new(ErrorKind::Unsupported, operation, format!("this backend does not know {newer:?}"))),
    }
}

/// Bytes of the payload that an ack carries.
pub(crate) fn ack_bytes(ack: &Ack) -> usize {
    match &ack.outcome {
        Outcome::Completed(Some(payload)) | Outcome::Repeat { args: Some(payload), .. } => payload.len(),
        _ => 0,
    }
}

/// Rejects a request that lists too much.
pub(crate) fn request(request: &LeaseRequest) -> Result<()> {
    let operation = "lease tasks";
    at_most(operation, "queues in a request", request.queues.len(), limits::LEASE_NAMES_MAX)?;
    at_most(operation, "names in a request", request.names.len(), limits::LEASE_NAMES_MAX)
}

fn payload(operation: &'static str, what: &str, found: usize, max: usize) -> Result<()> {
    if found <= max {
        return Ok(());
    }
    let message = format!(
        "{found} bytes of {what}, and max_payload_bytes is {max}; raise it where the docket is opened, or keep the data \
         elsewhere and pass its address"
    );
    Err(Error::new(ErrorKind::TooLarge, operation, message))
}

fn at_most(operation: &'static str, what: &str, found: usize, max: usize) -> Result<()> {
    if found <= max {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TooLarge, operation, format!("{found} {what}; the limit is {max}")))
}

#[cfg(test)]
mod tests {
    use docket_core::{DocketName, Inspect, Payload, QueueBackend, Severity, TaskName};

    use super::*;
    use crate::{MemoryBackend, Options};

    fn task() -> NewTask {
        NewTask::new(TaskName::new("work").unwrap(), Payload::new("{}"))
    }

    #[tokio::test]
    async fn a_batch_that_is_too_large_is_refused_whole_and_an_item_alone() {
        let docket = MemoryBackend::new(DocketName::default());
        let many: Vec<_> = (0..=limits::BATCH_ITEMS_MAX).map(|_| task()).collect();
        assert_eq!(docket.add(&many).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let large = NewTask { args: Payload::new(vec![0; limits::PAYLOAD_BYTES_MAX + 1]), ..task() };
        let answers = docket.add(&[large, task()]).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
        assert!(answers[1].is_ok());
    }

    #[tokio::test]
    async fn the_limit_of_a_payload_can_be_raised_as_far_as_a_batch_goes() {
        let large = NewTask { args: Payload::new(vec![b'0'; 2 << 20]), ..task() };
        let usual = MemoryBackend::new(DocketName::default());
        let refused = usual.add(std::slice::from_ref(&large)).await.unwrap().remove(0).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge);
        assert!(refused.to_string().contains("max_payload_bytes is 1048576; raise it"), "{refused}");
        let with = |max_payload_bytes| {
            MemoryBackend::with_options(DocketName::default(), Options { max_payload_bytes, ..Options::default() })
        };
        assert!(with(2 << 20).unwrap().add(&[large]).await.unwrap()[0].is_ok());
        for bytes in [0, limits::BATCH_BYTES_MAX + 1] {
            let error = with(bytes).unwrap_err();
            assert!(error.kind() == ErrorKind::Config && error.to_string().contains("max_payload_bytes"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_full_docket_refuses_and_says_why() {
        let options = Options { max_tasks: 1, ..Options::default() };
        let docket = MemoryBackend::with_options(DocketName::default(), options).unwrap();
        let answers = docket.add(&[task(), task()]).await.unwrap();
        let refused = answers[1].as_ref().unwrap_err();
        assert!(answers[0].is_ok() && refused.kind() == ErrorKind::Refused);
        assert!(refused.to_string().contains("max_tasks"), "{refused}");
        let findings = docket.examine().await.unwrap();
        assert!(findings.iter().any(|finding| finding.subject == "room" && finding.severity == Severity::Warning));
    }
}
