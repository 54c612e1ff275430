//! The one error of Docket's public calls.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::contract::shown::{escaped, quoted};

/// The result of every fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot be reached, or did not answer in time. Try later; the call may or may not have taken effect,
    /// and repeating it with the same ids is safe.
    Unavailable,
    /// The store answered and refused: wrong password, no permission, read-only copy, out of memory.
    Refused,
    /// The lease is lost. Stop the work; another worker has the task or will.
    LeaseLost,
    /// It does not exist.
    NotFound,
    /// The docket does not fit the call: another environment, another layout version.
    Conflict,
    /// This backend lacks that ability; see [`crate::Capabilities`].
    Unsupported,
    /// A limit of [`crate::limits`] was exceeded; the message names it.
    TooLarge,
    /// An argument is invalid; the message says which and why.
    Invalid,
    /// A setting, or a combination of two, cannot work; the message names it and how to correct it.
    Config,
    /// The store holds data that cannot be read. It is kept as it is.
    Corrupt,
    /// A defect in Docket or in the code it runs. Please report it.
    Internal,
}

/// What was attempted, why it failed, and what the caller can do.
///
/// `Display` is lower case, names the operation and never repeats its source; secrets are masked before they get here.
pub struct Error {
    kind: ErrorKind,
    operation: Cow<'static, str>,
    message: String,
    retryable: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` from trying to `operation` (a verb phrase: `connect to redis://…`).
    ///
    /// Only [`ErrorKind::Unavailable`] starts out as retryable; a backend that knows better says so with
    /// [`Error::retryable`].
    pub fn new(kind: ErrorKind, operation: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            kind,
            operation: operation.into(),
            message: message.into(),
            retryable: kind == ErrorKind::Unavailable,
            source: None,
        }
    }

    /// An invalid argument.
    pub fn invalid(operation: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, operation, message)
    }

    /// A text that breaks the rule of its kind: `invalid task name "a b": letters, …`.
    pub fn invalid_value(what: &str, text: &str, rule: impl fmt::Display) -> Self {
        Self::invalid("", format!("invalid {what} {}: {rule}", quoted(text)))
    }

    /// A setting that cannot work.
    pub fn config(operation: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, operation, message)
    }

    /// Adds the cause. It must not carry a secret: it is printed with the chain.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets whether a retry can help; decided where the store's code is known.
    pub fn retryable(mut self, retryable: Retryable) -> Self {
        self.retryable = retryable == Retryable::Yes;
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call, made again later with the same ids, can succeed.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The error and its causes on one line, for people. Skips a cause whose text is already there:
    /// drivers often repeat theirs.
    pub fn chain(&self) -> String {
        let mut told = one_line(&self.to_string());
        let mut source = self.source();
        while let Some(cause) = source {
            let text = one_line(&cause.to_string());
            if !told.ends_with(&text) {
                told.push_str(": ");
                told.push_str(&text);
            }
            source = cause.source();
        }
        told
    }
}

/// Text of a library, which may have several lines, or repeat text from elsewhere.
fn one_line(text: &str) -> String {
    escaped(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// Whether a retry can help. An enum, so that call sites read well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retryable {
    /// The same call may succeed later.
    Yes,
    /// It will fail the same way.
    No,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.operation.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "could not {}: {}", self.operation, self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}{})", self.chain(), self.kind, if self.retryable { ", retryable" } else { "" })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_attempted_and_does_not_repeat_its_source() {
        let error = Error::new(ErrorKind::Unavailable, "add 1 task", "no answer within 2s").with_source("broken pipe");
        assert_eq!(error.to_string(), "could not add 1 task: no answer within 2s");
        assert_eq!(error.source().unwrap().to_string(), "broken pipe");
        assert!(error.is_retryable());
    }

    #[test]
    fn no_cause_forges_a_line_or_acts_on_a_terminal() {
        let error = Error::new(ErrorKind::Internal, "try", "it says").with_source("a\nERROR b\u{1b}[2J\u{202e}");
        assert_eq!(format!("{error:?}"), "could not try: it says: a ERROR b\\u{1b}[2J\\u{202e} (Internal)");
    }

    #[test]
    fn a_cause_is_told_once_and_on_one_line() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection\n  refused");
        let error = Error::new(ErrorKind::Unavailable, "lease tasks", "connection refused").with_source(refused);
        assert_eq!(error.chain(), "could not lease tasks: connection refused");
        assert_eq!(format!("{error:?}"), "could not lease tasks: connection refused (Unavailable, retryable)");
    }
}
