//! Repeating a call without an answer: with the same ids, with pauses, and for a limited time.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::{Backoff, Error, ErrorKind, Result, display_duration};

/// How long a call to a backend may take beyond the wait that it was asked for. Backends have
/// shorter deadlines of their own; this one is for a backend without.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(10);

/// Pauses between repetitions. The longest is half of the delay that a task may have once its store
/// answers again.
const WAITS: Backoff = Backoff { base: Duration::from_millis(50), max: Duration::from_millis(500) };

/// One call with a deadline: [`CALL_MAX`] after `wait`.
pub(crate) async fn bounded<T>(what: &'static str, wait: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    let bound = wait.saturating_add(CALL_MAX);
    timeout(bound, call).await.unwrap_or_else(|_| {
        let message = format!("no answer within {}", display_duration(bound));
        Err(Error::new(ErrorKind::Unavailable, what, message))
    })
}

/// Repeats `call` for at most `patience`, while its errors are retryable. Returns the last error.
///
/// # Cancel safety
///
/// As the call itself: a dropped repetition is a lost reply.
pub(crate) async fn repeat<T, F>(what: &'static str, patience: Duration, mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let end = Instant::now() + patience;
    for tries in 1.. {
        let left = end.saturating_duration_since(Instant::now());
        let error = match timeout(left.max(Duration::from_millis(1)), call()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if !error.is_retryable() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => Error::new(
                ErrorKind::Unavailable,
                what,
                format!(
                    "no answer within {}; whether it took effect is unknown, and the same call again is safe",
                    display_duration(patience)
                ),
            ),
        };
        let wait = WAITS.wait(tries);
        if Instant::now() + wait >= end {
            return Err(error);
        }
        // Once per call: later failures are the same, and the caller reports how it ended.
        if tries == 1 {
            tracing::warn!(error = ?error, patience = %display_duration(patience), "call failed; repeating it");
        }
        sleep(wait).await;
    }
    unreachable!("the loop has no end but its returns")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_answers_costs_the_patience_and_an_error() {
        let start = Instant::now();
        let error = repeat("add", Duration::from_secs(5), std::future::pending::<Result<()>>).await.unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_will_not_go_away_is_not_repeated() {
        let calls = Cell::new(0);
        let refused = repeat("add", Duration::from_secs(5), || {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(Error::new(ErrorKind::Refused, "add", "wrong password")) }
        });
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(calls.get(), 1);
    }
}
