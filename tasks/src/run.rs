//! One run of a task, as its steps see it.

use docket_core::{Context, Error, Failure, Fence, Policy, Timestamp};
use tokio_util::sync::CancellationToken;

/// The run that the steps of a task belong to.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Grows with every run: a write with a smaller one comes from a run that lost its lease.
    pub(crate) fence: Fence,
    /// The store's time of the lease.
    pub(crate) leased_at: Timestamp,
    /// No attempt is left after this one.
    pub(crate) is_last: bool,
    /// Fires when the run should stop.
    pub(crate) cancellation: CancellationToken,
}

impl Run {
    pub(crate) fn of(ctx: &Context, policy: &Policy) -> Self {
        let max_attempts = ctx.lease().overrides.max_attempts.unwrap_or(policy.max_attempts);
        Self {
            fence: ctx.token().fence,
            leased_at: ctx.lease().leased_at,
            is_last: ctx.attempt() >= max_attempts,
            cancellation: ctx.cancellation().clone(),
        }
    }

    /// Does `work`, and drops it when the run should stop.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.cancellation.run_until_cancelled(work).await.unwrap_or(Err(Failure::Cancelled))
    }

    /// The error as text, if the task is dead after `failure`: for rows that a user sees.
    pub(crate) fn final_error<'a>(&self, failure: &'a Failure) -> Option<&'a str> {
        match failure {
            Failure::Fatal(text) => Some(text),
            Failure::Retry(text) | Failure::RetryAfter(_, text) if self.is_last => Some(text),
            _ => None,
        }
    }
}

/// A retry can help if the error says so; else the task is dead at once. The text is the whole
/// chain of causes.
pub(crate) fn failure(error: Error) -> Failure {
    let retryable = error.is_retryable();
    match Failure::from(error) {
        Failure::Retry(text) if !retryable => Failure::Fatal(text),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;
    use crate::testing;

    #[test]
    fn only_what_can_help_is_tried_again_and_no_cause_is_lost() {
        let away = Error::new(ErrorKind::Unavailable, "read a.mp3", "no answer").with_source("broken pipe");
        assert_eq!(failure(away), Failure::Retry("could not read a.mp3: no answer: broken pipe".into()));
        let refused = Error::new(ErrorKind::Refused, "read a.mp3", "wrong key");
        assert_eq!(failure(refused), Failure::Fatal("could not read a.mp3: wrong key".into()));
    }

    #[test]
    fn a_retry_is_final_only_on_the_last_attempt() {
        let (first, last) = (testing::run(1), Run { is_last: true, ..testing::run(1) });
        assert_eq!(first.final_error(&Failure::retry("away")), None);
        assert_eq!(last.final_error(&Failure::retry("away")), Some("away"));
        assert_eq!(first.final_error(&Failure::fatal("never")), Some("never"));
        assert_eq!(last.final_error(&Failure::Cancelled), None);
    }
}
