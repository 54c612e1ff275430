//! The payload of a panic. It may be anything, and may panic in turn when it is dropped.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::JoinError;

type Payload = Box<dyn Any + Send>;

/// Its text, for an outcome or a log line.
pub(super) fn message(payload: Payload) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    discard(payload);
    format!("panicked: {}", text.as_deref().unwrap_or("(no message)"))
}

/// Why a spawned task ended without returning.
pub(super) fn how_it_ended(error: JoinError) -> String {
    error.try_into_panic().map_or_else(|error| error.to_string(), message)
}

/// Drops a payload, even if its drop panics.
fn discard(payload: Payload) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // This one could panic as well, and so on: leak it.
        std::mem::forget(again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each drop raises another one.
    struct Hydra;

    impl Drop for Hydra {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }

    #[tokio::test]
    async fn a_payload_that_panics_when_dropped_goes_no_further() {
        assert_eq!(message(Box::new(Hydra)), "panicked: (no message)");
        let error = tokio::spawn(async { std::panic::panic_any(Hydra) }).await.unwrap_err();
        assert_eq!(how_it_ended(error), "panicked: (no message)");
        assert_eq!(message(Box::new("the disk is on fire")), "panicked: the disk is on fire");
        assert_eq!(message(Box::new("the disk".to_owned())), "panicked: the disk");
    }
}
