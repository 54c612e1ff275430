//! One run of a task, as its steps see it.

use docket_core::{Context, Failure, Fence, Timestamp, Verdict};
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
    pub(crate) fn of(ctx: &Context) -> Self {
        Self {
            fence: ctx.token().fence,
            leased_at: ctx.lease().leased_at,
            is_last: ctx.is_last_attempt(),
            cancellation: ctx.cancellation().clone(),
        }
    }

    /// Does `work`, and drops it when the run should stop.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.cancellation.run_until_cancelled(work).await.unwrap_or(Err(Failure::cancelled()))
    }

    /// The error as text, if the task is dead after `failure`: for rows that a user sees.
    pub(crate) fn final_error(&self, failure: &Failure) -> Option<String> {
        let is_final = match failure.verdict() {
            Verdict::Fatal => true,
            Verdict::Retry | Verdict::RetryAfter(_) => self.is_last,
            _ => false,
        };
        is_final.then(|| failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_retry_is_final_only_on_the_last_attempt() {
        let (first, last) = (testing::run(1), Run { is_last: true, ..testing::run(1) });
        assert_eq!(first.final_error(&Failure::retry("away")), None);
        assert_eq!(last.final_error(&Failure::retry("away")), Some("away".to_owned()));
        assert_eq!(first.final_error(&Failure::fatal("never")), Some("never".to_owned()));
        assert_eq!(last.final_error(&Failure::cancelled()), None);
    }
}
