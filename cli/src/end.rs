//! How a verb ends: an exit code and a message for stderr.

use std::io;
use std::process::ExitCode;

use docket::{Error, ErrorKind};
use docket_core::shown::escaped;

/// A verb that failed.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct End {
    code: u8,
    /// Empty if there is no message.
    message: String,
}

/// What every verb returns.
pub(crate) type Outcome = Result<(), End>;

const OK: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const NOT_FOUND: u8 = 4;

impl End {
    /// It was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    /// The arguments cannot work.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    /// It does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { code: NOT_FOUND, message: message.into() }
    }

    /// The store did not answer.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { code: UNREACHABLE, message: message.into() }
    }

    /// Whether the store did not answer: then the next call will not be answered either.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.code == UNREACHABLE
    }

    /// Combines two ends: a missing task is the lesser failure. Prints the other's message.
    pub(crate) fn and(self, later: Self) -> Self {
        let (lesser, greater) = if later.code == NOT_FOUND { (later, self) } else { (self, later) };
        lesser.report();
        greater
    }

    /// Prints the message; returns the exit code.
    #[expect(clippy::print_stderr, reason = "the last word of the command")]
    pub(crate) fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("docket: {}", escaped(&self.message));
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Unavailable => UNREACHABLE,
            ErrorKind::NotFound => NOT_FOUND,
            ErrorKind::Invalid | ErrorKind::Config | ErrorKind::TooLarge => USAGE,
            _ => FAILED,
        };
        Self { code, message: error.chain() }
    }
}

impl From<io::Error> for End {
    /// Writing failed. A reader that has seen enough (`docket ls | head`) is not a failure.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { code: OK, message: String::new() },
            _ => Self::failed(format!("could not write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_exit_code() {
        for (kind, code) in [
            (ErrorKind::Unavailable, 3),
            (ErrorKind::Refused, 1),
            (ErrorKind::Conflict, 1),
            (ErrorKind::NotFound, 4),
            (ErrorKind::Config, 2),
            (ErrorKind::Invalid, 2),
            (ErrorKind::TooLarge, 2),
        ] {
            assert_eq!(End::from(Error::new(kind, "try", "no")).code, code, "{kind:?}");
        }
    }

    #[test]
    fn the_whole_chain_of_causes_is_said() {
        let error = Error::new(ErrorKind::Unavailable, "connect", "away").with_source("connection refused");
        assert_eq!(End::from(error).message, "could not connect: away: connection refused");
    }
}
