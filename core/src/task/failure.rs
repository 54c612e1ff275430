//! Why a run did not complete, and whether another attempt can help.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::Error;

/// The result of a run.
pub type TaskResult<T> = Result<T, Failure>;

/// Why a run did not complete. Made by `?` from any error: those of `std::error::Error`,
/// `anyhow::Error`, `Box<dyn Error + Send + Sync>`, `&str` and `String`.
///
/// What happens next is its [`Verdict`]. A failure made by `?` is tried again, unless
/// [`Task::classify`](crate::Task::classify) says otherwise; the constructors, and
/// [`FailureExt`], decide in the place where they stand.
///
/// ```
/// use docket_core::{Failure, FailureExt, TaskResult};
///
/// fn width(text: &str) -> TaskResult<u32> {
///     if text.is_empty() {
///         Err("no width yet")?; // again, after the backoff
///     }
///     text.parse().fatal() // dead at once
/// }
/// # assert_eq!(width("12").unwrap(), 12);
/// # assert_eq!(width("x").unwrap_err().verdict(), docket_core::Verdict::Fatal);
/// ```
pub struct Failure {
    verdict: Verdict,
    /// Whether the verdict was given with the failure; else the task's type is asked.
    is_decided: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a failure means for the task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Retry after the policy's backoff, if attempts are left.
    Retry,
    /// Retry after this long, if attempts are left: for a server that named a time. If it is longer
    /// than [`crate::limits::DELAY_MAX`], the policy's backoff is used, and the error on the record
    /// says so.
    RetryAfter(Duration),
    /// Postpone: run again after this long. Not an attempt, unless it is longer than
    /// [`crate::limits::DELAY_MAX`]: that is a failed one.
    Snooze(Duration),
    /// It can never work: dead at once.
    Fatal,
    /// Stopped because [`Context::cancellation`](crate::Context::cancellation) fired.
    Cancelled,
}

impl Failure {
    /// A retry can help.
    pub fn retry(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::decided(Verdict::Retry, Some(error.into()))
    }

    /// A retry can help after this long: for a server that named a time.
    pub fn retry_after(delay: Duration, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::decided(Verdict::RetryAfter(delay), Some(error.into()))
    }

    /// A retry cannot help.
    pub fn fatal(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::decided(Verdict::Fatal, Some(error.into()))
    }

    /// Not now, and no failed attempt: run again after this long.
    pub fn snooze(delay: Duration) -> Self {
        Self::decided(Verdict::Snooze(delay), None)
    }

    /// The run stopped because it was asked to.
    pub fn cancelled() -> Self {
        Self::decided(Verdict::Cancelled, None)
    }

    fn decided(verdict: Verdict, source: Option<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { verdict, is_decided: true, source }
    }

    /// What happens next. For a failure made by `?`: a retry, or for an [`Error`] of Docket what
    /// [`Error::is_retryable`] says; [`Task::classify`](crate::Task::classify) may decide otherwise.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The error of type `E`: the one that it was made from, or one of its causes. An
    /// `anyhow::Error` hides the type of its outermost error; its causes can be found.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.chain().find_map(|error| error.downcast_ref())
    }

    /// The error that it was made from, and its causes.
    fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first = self.source.as_deref().map(|error| error as &(dyn StdError + 'static));
        std::iter::successors(first, |&error| error.source())
    }

    /// The same, as `classify` judges it, unless it was decided before.
    pub(crate) fn classified(self, classify: impl FnOnce(&Self) -> Verdict) -> Self {
        if self.is_decided {
            return self;
        }
        Self { verdict: classify(&self), is_decided: true, ..self }
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        let source = error.into();
        let is_final = source.downcast_ref::<Error>().is_some_and(|error| !error.is_retryable());
        let verdict = if is_final { Verdict::Fatal } else { Verdict::Retry };
        Self { verdict, is_decided: false, source: Some(source) }
    }
}

impl fmt::Display for Failure {
    /// The whole chain of causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chain = self.chain();
        match (chain.next(), self.verdict) {
            (Some(error), _) => write!(f, "{error}")?,
            (None, Verdict::Snooze(_)) => f.write_str("postponed")?,
            (None, _) => f.write_str("stopped")?,
        }
        chain.try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.verdict)
    }
}

/// Decides about one error in the place where it occurs.
pub trait FailureExt<T> {
    /// Ends the task: a retry cannot help.
    fn fatal(self) -> TaskResult<T>;

    /// Retries no sooner than this.
    fn retry_after(self, delay: Duration) -> TaskResult<T>;
}

impl<T, E: Into<Failure>> FailureExt<T> for Result<T, E> {
    fn fatal(self) -> TaskResult<T> {
        self.map_err(|error| Failure { verdict: Verdict::Fatal, is_decided: true, ..error.into() })
    }

    fn retry_after(self, delay: Duration) -> TaskResult<T> {
        self.map_err(|error| Failure { verdict: Verdict::RetryAfter(delay), is_decided: true, ..error.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn failed<T>(result: impl FnOnce() -> TaskResult<T>) -> Failure {
        result().err().expect("it fails")
    }

    #[test]
    fn the_question_mark_takes_what_services_use() {
        let boxed: Box<dyn StdError + Send + Sync> = "boxed".into();
        assert_eq!(failed::<()>(|| Err("text")?).to_string(), "text");
        assert_eq!(failed::<()>(|| Err("text".to_owned())?).to_string(), "text");
        assert_eq!(failed::<()>(|| Err(boxed)?).to_string(), "boxed");
        let failure = failed(|| Ok("x".parse::<u32>()?));
        assert_eq!(failure.verdict(), Verdict::Retry);
        assert!(failure.downcast_ref::<std::num::ParseIntError>().is_some());
    }

    #[test]
    fn an_error_of_docket_that_can_never_work_is_fatal_and_no_cause_is_lost() {
        let error = |kind| Error::new(kind, "read a.mp3", "no answer").with_source("broken pipe");
        let away = Failure::from(error(ErrorKind::Unavailable));
        assert_eq!(format!("{away:?}"), "Retry: could not read a.mp3: no answer: broken pipe");
        assert_eq!(Failure::from(error(ErrorKind::Refused)).verdict(), Verdict::Fatal);
    }

    #[test]
    fn a_type_decides_only_about_what_no_place_has_decided() {
        let never = |_: &Failure| Verdict::Fatal;
        assert_eq!(Failure::from("text").classified(never).verdict(), Verdict::Fatal);
        assert_eq!(Failure::retry("text").classified(never).verdict(), Verdict::Retry);
        let after = Duration::from_secs(7);
        let placed = Err::<(), _>("text").retry_after(after).unwrap_err();
        assert_eq!(placed.classified(never).verdict(), Verdict::RetryAfter(after));
        // The place that is nearer to the worker has the last word.
        assert_eq!(Err::<(), _>(Failure::retry("text")).fatal().unwrap_err().verdict(), Verdict::Fatal);
    }

    #[test]
    fn a_cause_is_found_by_its_type() {
        let cause = "x".parse::<u32>().unwrap_err();
        let failure = Failure::from(Error::new(ErrorKind::Unavailable, "read", "no number").with_source(cause));
        assert!(failure.downcast_ref::<std::num::ParseIntError>().is_some());
        assert!(failure.downcast_ref::<std::io::Error>().is_none());
    }
}
