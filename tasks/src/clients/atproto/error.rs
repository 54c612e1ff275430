//! Why a call to a PDS failed, by what the caller can do.

use std::fmt;
use std::time::Duration;

use docket_core::{Error, ErrorKind, Failure};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::clients::http::Answer;
use crate::clients::retry_after::retry_after;

/// Bytes of a refusal that are shown.
const REFUSAL_BYTES_SHOWN: usize = 200;

/// Why a call to a PDS, or for one, failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum PdsError {
    /// No answer, 408, 425, 429, 5xx: it may work later, and not before the wait that the server asked for.
    Retry(Option<Duration>, Error),
    /// The record is not at the state the write was for. Read it again.
    InvalidSwap(Error),
    /// The record does not exist.
    NotFound(Error),
    /// The token is not accepted any more.
    Expired(Error),
    /// No live session of this DID may do it. The next login may.
    LoggedOut(String),
    /// It cannot work, however often it is tried.
    Permanent(Error),
}

/// The error of a PDS or an authorization server, beside the status.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    #[serde(alias = "error_description")]
    message: String,
}

impl Refusal {
    pub(crate) fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// The error of an `operation` that was answered with this.
    pub(crate) fn describe(&self, kind: ErrorKind, operation: &'static str, status: StatusCode) -> Error {
        let Self { error, message } = self;
        let text = format!("it answered {status} {error}: {message}");
        let text = text.trim_end_matches([' ', ':']);
        let cut = text.floor_char_boundary(REFUSAL_BYTES_SHOWN);
        Error::new(kind, operation, &text[..cut])
    }
}

impl PdsError {
    /// Classifies an answer that is not a success.
    pub(crate) fn refused(operation: &'static str, answer: &Answer) -> Self {
        let refusal = Refusal::of(answer);
        let error = |kind| refusal.describe(kind, operation, answer.status);
        match (answer.status, refusal.error.as_str()) {
            (status, _) if is_passing(status) => {
                Self::Retry(retry_after(&answer.headers), error(ErrorKind::Unavailable))
            }
            (StatusCode::UNAUTHORIZED, _) | (_, "ExpiredToken" | "InvalidToken") => {
                Self::Expired(error(ErrorKind::Refused))
            }
            (_, "InvalidSwap") => Self::InvalidSwap(error(ErrorKind::Conflict)),
            (_, "RecordNotFound") => Self::NotFound(error(ErrorKind::NotFound)),
            _ => Self::Permanent(error(ErrorKind::Refused)),
        }
    }

    /// An answer that is a success and makes no sense: a server half way through a deploy, or none at all.
    pub(crate) fn unreadable(operation: &'static str, why: impl fmt::Display) -> Self {
        let what = format!("its answer cannot be read: {why}");
        Self::Retry(None, Error::new(ErrorKind::Unavailable, operation, what))
    }

    /// The outcome of the run. A logged-out user needs a wait of its own: see `crate::parking`.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Retry(Some(after), error) => Failure::retry_after(after, error.chain()),
            Self::LoggedOut(did) => Failure::retry(logged_out(&did)),
            Self::Retry(None, error) | Self::InvalidSwap(error) | Self::Expired(error) => Failure::retry(error.chain()),
            Self::NotFound(error) | Self::Permanent(error) => Failure::fatal(error.chain()),
        }
    }
}

fn logged_out(did: &str) -> String {
    format!("{did} has no session that may do this; it is tried again when it logs in")
}

/// Overloaded, broken, or not ready: it may be well again later.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS)
        || status.is_server_error()
}

impl From<Error> for PdsError {
    /// Of the catalogue, or on the way to a server.
    fn from(error: Error) -> Self {
        if error.is_retryable() { Self::Retry(None, error) } else { Self::Permanent(error) }
    }
}

impl fmt::Display for PdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoggedOut(did) => f.write_str(&logged_out(did)),
            Self::Retry(_, error)
            | Self::InvalidSwap(error)
            | Self::NotFound(error)
            | Self::Expired(error)
            | Self::Permanent(error) => f.write_str(&error.chain()),
        }
    }
}

impl std::error::Error for PdsError {}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, RETRY_AFTER};

    use super::*;

    fn sorted(status: u16, body: &str) -> PdsError {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        PdsError::refused("write a record", &Answer { status, headers, body: body.to_owned().into() })
    }

    #[test]
    fn answers_are_sorted_by_what_can_be_done() {
        type IsSo = fn(&PdsError) -> bool;
        let table: [(u16, &str, IsSo); 12] = [
            (429, r#"{"error":"RateLimitExceeded"}"#, |e| matches!(e, PdsError::Retry(Some(_), _))),
            (502, "<html>", |e| matches!(e, PdsError::Retry(Some(wait), _) if wait.as_secs() == 7)),
            (408, "", |e| matches!(e, PdsError::Retry(..))),
            (400, r#"{"error":"ExpiredToken","message":"Token has expired"}"#, |e| matches!(e, PdsError::Expired(_))),
            (400, r#"{"error":"InvalidToken"}"#, |e| matches!(e, PdsError::Expired(_))),
            (401, r#"{"error":"AuthMissing"}"#, |e| matches!(e, PdsError::Expired(_))),
            (400, r#"{"error":"InvalidSwap","message":"Record was at x"}"#, |e| matches!(e, PdsError::InvalidSwap(_))),
            (400, r#"{"error":"RecordNotFound"}"#, |e| matches!(e, PdsError::NotFound(_))),
            (400, r#"{"error":"InvalidRequest"}"#, |e| matches!(e, PdsError::Permanent(_))),
            (403, r#"{"error":"ScopeMissingError"}"#, |e| matches!(e, PdsError::Permanent(_))),
            (404, "", |e| matches!(e, PdsError::Permanent(_))),
            (302, "", |e| matches!(e, PdsError::Permanent(_))),
        ];
        for (status, body, is_so) in table {
            let error = sorted(status, body);
            assert!(is_so(&error), "{status} {body}: {error:?}");
        }
    }

    #[test]
    fn a_reason_is_told_and_bounded() {
        let error = sorted(400, r#"{"error":"InvalidRequest","message":"Record/text must not be longer"}"#);
        let told =
            "could not write a record: it answered 400 Bad Request InvalidRequest: Record/text must not be longer";
        assert_eq!(error.to_string(), told);
        assert_eq!(format!("{:?}", error.into_failure()), format!("Fatal: {told}"));
        assert!(sorted(400, &format!(r#"{{"message":"{}"}}"#, "ü".repeat(9_000))).to_string().len() < 300);
    }
}
