//! Waiting for a store that is starting, or restarting, when a docket is opened.

use std::time::Duration;

use docket_core::{Error, ErrorKind, Result, display_duration};
use tokio::time::{Instant, sleep, timeout_at};

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// After this long the wait is logged.
const SAID_AFTER: Duration = Duration::from_secs(1);

/// Repeats `open` while the server does not answer, for at most `patience`. Returns the last error.
pub(crate) async fn wait_for<T, F>(patience: Duration, mut open: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let started = Instant::now();
    let (end, said_at) = (started + patience, started + SAID_AFTER);
    let (mut latest, mut is_said) = (None, false);
    loop {
        let mut opening = std::pin::pin!(timeout_at(end, open()));
        // Logged during an attempt as well: a peer that never answers takes long, and one that
        // refuses takes no time.
        let in_time = timeout_at(said_at, &mut opening).await;
        if Instant::now() >= said_at && !matches!(in_time, Ok(Ok(Ok(_)))) && !std::mem::replace(&mut is_said, true) {
            say(patience, latest.as_ref());
        }
        let opened = match in_time {
            Ok(opened) => opened,
            Err(_) => opening.await,
        };
        let error = match opened {
            Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => error,
            Ok(opened) => return opened,
            Err(_) => return Err(latest.unwrap_or_else(|| unanswered(patience))),
        };
        if Instant::now() + PAUSE >= end {
            return Err(error);
        }
        latest = Some(error);
        sleep(PAUSE).await;
    }
}

fn say(patience: Duration, latest: Option<&Error>) {
    let (patience, latest) = (display_duration(patience), latest.map(Error::chain));
    tracing::warn!(patience, latest, "the store does not answer yet; waiting for it");
}

fn unanswered(patience: Duration) -> Error {
    let message = format!("no answer within {}; check that the server is reachable", display_duration(patience));
    Error::new(ErrorKind::Unavailable, "connect to the store", message)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn away() -> Error {
        Error::new(ErrorKind::Unavailable, "connect", "refused")
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_starts_within_the_patience_is_opened() {
        let (started, tries) = (Instant::now(), Cell::new(0));
        let opened = wait_for(Duration::from_secs(5), || {
            tries.set(tries.get() + 1);
            std::future::ready(if started.elapsed() < Duration::from_secs(3) { Err(away()) } else { Ok(()) })
        });
        opened.await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(3_200) && tries.get() > 20, "{tries:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_costs_the_patience() {
        let started = Instant::now();
        let error = wait_for(Duration::from_secs(5), || std::future::ready(Err::<(), _>(away()))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(started.elapsed() <= Duration::from_secs(5) && started.elapsed() > Duration::from_secs(4));
        let started = Instant::now();
        let error = wait_for(Duration::from_secs(5), std::future::pending::<Result<()>>).await.unwrap_err();
        assert!(error.to_string().contains("no answer within 5s"), "{error}");
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_patience_helps_is_told_at_once() {
        let started = Instant::now();
        let wrong = || std::future::ready(Err::<(), _>(Error::config("connect", "wrong password")));
        assert_eq!(wait_for(Duration::from_secs(5), wrong).await.unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
