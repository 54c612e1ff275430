//! Error codes of the server and their meaning for a caller: the one place that decides it.

use std::borrow::Cow;

use docket_core::{Error, ErrorKind, Retryable, ShownUrl};

use crate::schema::OTHER_LAYOUT;

/// The meaning of a failed statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meaning {
    pub(crate) kind: ErrorKind,
    pub(crate) retryable: Retryable,
    /// What to do before the caller gets the error.
    pub(crate) next: Next,
    advice: &'static str,
}

/// What to do before the caller gets an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Nothing.
    Tell,
    /// The connection can no longer be trusted; try another one.
    Reconnect,
    /// The statement was rolled back because of another transaction; it may succeed now.
    Repeat,
}

/// The error of trying to `operation` on the server at `address`.
pub(crate) fn describe(error: sqlx::Error, operation: impl Into<Cow<'static, str>>, address: &ShownUrl) -> Error {
    let meaning = meaning_of(&error);
    let message = match &error {
        // Our own message, with the numbers in it.
        sqlx::Error::Database(error) if error.code().as_deref() == Some(OTHER_LAYOUT) => {
            return Error::new(meaning.kind, operation, format!("{address}: {}", error.message()));
        }
        _ => format!("{address}: {}", meaning.advice),
    };
    let told = Error::new(meaning.kind, operation, message).retryable(meaning.retryable);
    match error {
        // The driver's message about its settings may contain a value, and the server's message is
        // already there as the cause.
        sqlx::Error::Configuration(_) => told,
        error => told.with_source(address.cause(error)),
    }
}

/// No answer within the deadline.
pub(crate) fn unanswered(operation: impl Into<Cow<'static, str>>, address: &str) -> Error {
    let message = format!("{address}: no answer in time; check that the server is reachable and not overloaded");
    Error::new(ErrorKind::Unavailable, operation, message)
}

/// How a pooler refuses our parameters, and a server a statement that another client prepared.
const POOLER_WORDS: [&str; 2] = ["unsupported startup parameter", "prepared statement"];
/// The advice for an error that only a pooler in transaction mode causes.
const BEHIND_A_POOLER: &str = "a pooler in transaction mode (PgBouncer) is in between; say so with pgbouncer=true at the end \
                               of the URL, or give the address of the server itself";

pub(crate) fn meaning_of(error: &sqlx::Error) -> Meaning {
    use ErrorKind::{Config, Internal, Refused, Unavailable};
    use Retryable::{No, Yes};
    let meaning = |kind, retryable, next, advice| Meaning { kind, retryable, next, advice };
    match error {
        // A pooler uses one code for everything it does not support; its message says which.
        sqlx::Error::Database(error) if POOLER_WORDS.iter().any(|words| error.message().contains(words)) => {
            meaning(Config, No, Next::Reconnect, BEHIND_A_POOLER)
        }
        sqlx::Error::Database(error) => meaning_of_code(&error.code().unwrap_or_default()),
        // Retrying does not make a certificate valid.
        sqlx::Error::Io(error) if error.to_string().contains("certificate") => {
            meaning(Refused, No, Next::Reconnect, untrusted(&error.to_string()))
        }
        // Refused, reset, closed, name not found: the network or the server is down.
        sqlx::Error::Io(_) => {
            meaning(Unavailable, Yes, Next::Reconnect, "the server cannot be reached or has closed the connection")
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
            meaning(Unavailable, Yes, Next::Tell, "no connection was free in time; the pool is too small or closed")
        }
        sqlx::Error::Tls(_) => {
            meaning(Config, No, Next::Reconnect, "TLS failed; check sslmode, the certificate and its name")
        }
        sqlx::Error::Configuration(_) => {
            meaning(Config, No, Next::Reconnect, "the connection cannot be made with these settings")
        }
        // An unreadable answer leaves the connection in the middle of it.
        sqlx::Error::Protocol(_) => meaning(Unavailable, Yes, Next::Reconnect, "the answer could not be read"),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
            meaning(Internal, No, Next::Tell, "the answer has an unexpected form")
        }
        _ => meaning(Internal, No, Next::Reconnect, "the driver refused the statement"),
    }
}

/// The advice for a certificate error, by the verifier's message. A server's own certificate is not
/// an authority, so naming it as one does not help.
fn untrusted(said: &str) -> &'static str {
    if said.contains("CaUsedAsEndEntity") {
        "its certificate is an authority's, used by the server itself (self-signed): let the authority sign one for the \
         server that is not one itself (CA:FALSE) and names its host, and set sslrootcert to the authority's"
    } else if said.contains("not valid for name") || said.contains("NotValidForName") {
        "its certificate names another host; use a host that it names (subjectAltName), or issue one for this host"
    } else if ["expired", "Expired", "not valid yet", "NotValidYet"].iter().any(|words| said.contains(words)) {
        "its certificate is not valid now; renew it, or check the clocks"
    } else if said.contains("UnknownIssuer") {
        "its certificate was signed by an untrusted authority; set sslrootcert to the certificate of that authority"
    } else {
        "its certificate is refused; have the authority in sslrootcert, or one of the system's, sign one for this host"
    }
}

/// By SQLSTATE, as of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn meaning_of_code(code: &str) -> Meaning {
    use ErrorKind::{Config, Conflict, Corrupt, Internal, Refused, Unavailable, Unsupported};
    use Retryable::{No, Yes};
    let meaning = |kind, retryable, advice| Meaning { kind, retryable, next: Next::Tell, advice };
    let repeat = |advice| Meaning { kind: Unavailable, retryable: Yes, next: Next::Repeat, advice };
    let broken = |meaning| Meaning { next: Next::Reconnect, ..meaning };
    match code {
        // invalid_authorization_specification: also a server that takes encrypted connections alone.
        "28000" if !cfg!(feature = "tls") => {
            let advice = "wrong user, or the server wants TLS, which this build lacks: turn on the feature `tls` of \
                          docket-queue";
            broken(meaning(Refused, No, advice))
        }
        // invalid_password, invalid_authorization_specification
        "28P01" | "28000" => broken(meaning(Refused, No, "wrong password or user; check both in the URL")),
        // invalid_catalog_name
        "3D000" => broken(meaning(Config, No, "the server has no such database; check the URL")),
        // insufficient_privilege
        "42501" => meaning(Refused, No, "the user may not do this; grant it the schema and what is in it"),
        // undefined_table, invalid_schema_name, undefined_function, undefined_object, undefined_column
        "42P01" | "3F000" | "42883" | "42704" | "42703" => {
            meaning(Config, No, "the schema is missing or of another version; run the migrations")
        }
        // read_only_sql_transaction: the primary has moved, and a new connection may find it.
        "25006" => broken(meaning(Refused, Yes, "the server is a read-only copy; point the URL at the primary")),
        OTHER_LAYOUT => meaning(Conflict, No, "the docket is of another build"),
        // disk_full
        "53100" => meaning(Refused, Yes, "the server's disk is full; make room"),
        // out_of_memory
        "53200" => meaning(Refused, Yes, "the server is out of memory; reduce its load"),
        // too_many_connections
        "53300" => broken(meaning(Unavailable, Yes, "the server has no free connection (max_connections)")),
        // idle_in_transaction_session_timeout
        "25P03" => {
            broken(meaning(Unavailable, Yes, "this process was silent for too long in the middle of a transaction"))
        }
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout
        "57P01" | "57P02" | "57P03" | "57P05" => {
            broken(meaning(Unavailable, Yes, "the server is stopping or starting"))
        }
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => repeat("the transaction was aborted in favour of another one"),
        // lock_not_available
        "55P03" => repeat("another transaction holds a lock on the task"),
        // query_canceled
        "57014" => meaning(Unavailable, Yes, "the statement took too long and was cancelled (statement_timeout)"),
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => meaning(Corrupt, No, "the server has found its own files damaged; see its log"),
        // feature_not_supported: of a prepared statement after the schema changed under it.
        "0A000" => {
            broken(meaning(Unsupported, Yes, "the server does not support this, or the schema has just changed"))
        }
        // duplicate_prepared_statement, invalid_sql_statement_name
        "42P05" | "26000" => broken(meaning(Config, No, BEHIND_A_POOLER)),
        // transaction_timeout
        "25P04" => broken(meaning(Unavailable, Yes, "the transaction took too long and was aborted")),
        // program_limit_exceeded: for example, transaction numbers have run out, and a VACUUM frees
        // some.
        "54000" => meaning(Refused, Yes, "the server has reached a limit of its own; see its log"),
        // internal_error: reported for tables that are just being changed, and by poolers while
        // their server is down.
        "XX000" => broken(meaning(Internal, Yes, "the server or a pooler in front of it failed; see its log")),
        _ => match code.get(..2).unwrap_or_default() {
            "08" => broken(meaning(Unavailable, Yes, "the connection to the server failed")),
            "28" => broken(meaning(Refused, No, "the server refuses this user; check pg_hba.conf")),
            "53" => meaning(Refused, Yes, "the server lacks room for this"),
            "57" => broken(meaning(Unavailable, Yes, "an operator or the server aborted the statement")),
            // Also if it is unknown whether the transaction committed: our statements are safe to
            // repeat.
            "40" => repeat("the transaction was rolled back"),
            "58" => meaning(Refused, Yes, "the server's system failed; see its log"),
            "22" => meaning(ErrorKind::Invalid, No, "the database cannot store one of the values"),
            _ => meaning(Internal, No, "the server refused the statement"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_not_waited_for_and_the_advice_is_one_that_helps() {
        for (words, advice) in [
            ("UnknownIssuer", "set sslrootcert to the certificate of that authority"),
            // The server's own certificate was named as the authority's.
            ("Other(OtherError(CaUsedAsEndEntity))", "let the authority sign one"),
            ("certificate not valid for name \"a\"; certificate is only valid for b", "use a host that it names"),
            ("certificate expired: verification time 2 (UNIX)", "renew it"),
        ] {
            let error =
                std::io::Error::new(std::io::ErrorKind::InvalidData, format!("invalid peer certificate: {words}"));
            let meaning = meaning_of(&error.into());
            assert_eq!((meaning.kind, meaning.retryable), (ErrorKind::Refused, Retryable::No));
            assert!(meaning.advice.contains(advice), "{}", meaning.advice);
        }
    }

    #[test]
    fn every_code_says_what_the_caller_can_do() {
        use ErrorKind::*;
        use Retryable::{No, Yes};
        for (code, kind, retryable, next) in [
            ("28P01", Refused, No, Next::Reconnect),
            ("28000", Refused, No, Next::Reconnect),
            ("3D000", Config, No, Next::Reconnect),
            ("42501", Refused, No, Next::Tell),
            ("42P01", Config, No, Next::Tell),
            ("3F000", Config, No, Next::Tell),
            ("25006", Refused, Yes, Next::Reconnect),
            ("53100", Refused, Yes, Next::Tell),
            ("53200", Refused, Yes, Next::Tell),
            ("53300", Unavailable, Yes, Next::Reconnect),
            ("53400", Refused, Yes, Next::Tell),
            (OTHER_LAYOUT, Conflict, No, Next::Tell),
            ("25P03", Unavailable, Yes, Next::Reconnect),
            ("57P01", Unavailable, Yes, Next::Reconnect),
            ("57P02", Unavailable, Yes, Next::Reconnect),
            ("57P03", Unavailable, Yes, Next::Reconnect),
            ("57014", Unavailable, Yes, Next::Tell),
            ("40001", Unavailable, Yes, Next::Repeat),
            ("40P01", Unavailable, Yes, Next::Repeat),
            ("08006", Unavailable, Yes, Next::Reconnect),
            ("58030", Refused, Yes, Next::Tell),
            ("22021", Invalid, No, Next::Tell),
            ("42P05", Config, No, Next::Reconnect),
            ("26000", Config, No, Next::Reconnect),
            ("XX001", Corrupt, No, Next::Tell),
            ("XX000", Internal, Yes, Next::Reconnect),
            ("25P04", Unavailable, Yes, Next::Reconnect),
            ("40003", Unavailable, Yes, Next::Repeat),
            ("54000", Refused, Yes, Next::Tell),
            ("54001", Internal, No, Next::Tell),
            ("", Internal, No, Next::Tell),
        ] {
            let meaning = meaning_of_code(code);
            assert_eq!((meaning.kind, meaning.retryable, meaning.next), (kind, retryable, next), "{code}");
        }
        let reset = sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert_eq!(meaning_of(&reset).kind, Unavailable);
    }

    #[test]
    fn a_missing_table_says_what_to_run() {
        assert!(meaning_of_code("42P01").advice.contains("run the migrations"));
    }
}
