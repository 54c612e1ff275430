//! Items refused for their size, before any event sees them.

use docket_core::{Error, ErrorKind, LeaseRequest, Outcome, Result, limits};

/// One payload, refused alone.
pub(super) fn payload(bytes: usize) -> Result<()> {
    within(bytes, "bytes", "PAYLOAD_BYTES_MAX", limits::PAYLOAD_BYTES_MAX)
}

/// A batch that is refused whole. Items that are refused alone do not count.
pub(super) fn batch(payloads: impl Iterator<Item = usize>) -> Result<()> {
    let payloads: Vec<usize> = payloads.collect();
    within(payloads.len(), "items", "BATCH_ITEMS_MAX", limits::BATCH_ITEMS_MAX)?;
    let bytes = payloads.iter().filter(|bytes| **bytes <= limits::PAYLOAD_BYTES_MAX).sum();
    within(bytes, "bytes", "BATCH_BYTES_MAX", limits::BATCH_BYTES_MAX)
}

/// A lease request.
pub(super) fn request(request: &LeaseRequest) -> Result<()> {
    within(request.names.len().max(request.queues.len()), "names or queues", "LEASE_NAMES_MAX", limits::LEASE_NAMES_MAX)
}

/// An outcome of a later version, refused alone.
pub(super) fn outcome(outcome: &Outcome) -> Result<()> {
    if *outcome != Outcome::OfALaterVersion {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "settle a task", format!("the model does not know {outcome:?}")))
}

/// The payload that an outcome brings.
pub(super) fn payload_of(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Completed(Some(payload)) | Outcome::Repeat { args: Some(payload), .. } => payload.len(),
        _ => 0,
    }
}

fn within(found: usize, what: &str, name: &str, max: usize) -> Result<()> {
    if found <= max {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TooLarge, "take a call", format!("{found} {what} are more than {name}, {max}")))
}
