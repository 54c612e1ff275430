//! Error codes of the server and their meaning for a caller: the one place that decides it.

use std::borrow::Cow;

use docket_core::{Error, ErrorKind, Retryable, ShownUrl};
use redis::{RedisError, ServerErrorKind};

use crate::control::LAYOUT;

/// The meaning of a failed command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meaning {
    pub(crate) kind: ErrorKind,
    pub(crate) retryable: Retryable,
    /// Whether the connection can no longer be trusted (broken, answering late, on the wrong server).
    pub(crate) drop_connection: bool,
    advice: &'static str,
}

/// The error of trying to `operation` on the server at `address`.
pub(crate) fn describe(error: RedisError, operation: impl Into<Cow<'static, str>>, address: &ShownUrl) -> Error {
    let meaning = meaning_of(&error);
    if let Some(found) = other_layout(error.detail().unwrap_or("")) {
        return Error::new(meaning.kind, operation, format!("{address}: {}", layouts(found)));
    }
    let message = format!("{address}: {}", meaning.advice);
    Error::new(meaning.kind, operation, message).retryable(meaning.retryable).with_source(address.cause(error))
}

/// No answer within the deadline.
pub(crate) fn unanswered(operation: impl Into<Cow<'static, str>>, address: &str) -> Error {
    let message = format!("{address}: no answer in time; check that the server is reachable and not overloaded");
    Error::new(ErrorKind::Unavailable, operation, message)
}

/// The advice for a certificate error, by the verifier's message. A server's own certificate is not
/// an authority, so naming it as one does not help.
fn untrusted(said: &str) -> &'static str {
    if said.contains("CaUsedAsEndEntity") {
        "its certificate is an authority's, used by the server itself (self-signed): let the authority sign one for the \
         server that is not one itself (CA:FALSE) and names its host, and set SSL_CERT_FILE to the authority's"
    } else if said.contains("not valid for name") || said.contains("NotValidForName") {
        "its certificate names another host; use a host that it names (subjectAltName), or issue one for this host"
    } else if ["expired", "Expired", "not valid yet", "NotValidYet"].iter().any(|words| said.contains(words)) {
        "its certificate is not valid now; renew it, or check the clocks"
    } else if said.contains("UnknownIssuer") {
        "its certificate was signed by an untrusted authority; set SSL_CERT_FILE to the certificate of that authority"
    } else {
        "its certificate is refused; have the authority in SSL_CERT_FILE, or one of the system's, sign one for this host"
    }
}

/// The server's code; older servers wrap it into a text when it comes from inside a script.
fn code_of(error: &RedisError) -> &str {
    let code = error.code().unwrap_or("");
    if code != "ERR" {
        return code;
    }
    let detail = error.detail().unwrap_or("");
    let known = ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM", "WRONGTYPE", "MASTERDOWN"];
    known.into_iter().find(|code| detail.split([' ', '-', ':']).any(|word| word == *code)).unwrap_or(code)
}

/// The word with which scripts refuse a docket of another layout; the number follows.
const OTHER_LAYOUT: &str = "OTHERLAYOUT ";

/// The layout of a docket that a script refused.
fn other_layout(detail: &str) -> Option<&str> {
    let found = detail.split_once(OTHER_LAYOUT)?.1;
    Some(found.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default())
}

/// The message about a docket of another layout.
pub(crate) fn layouts(found: &str) -> String {
    format!("its layout is {found} and this build reads {LAYOUT}; use a matching build")
}

pub(crate) fn meaning_of(error: &RedisError) -> Meaning {
    use ErrorKind::{Config, Conflict, Corrupt, Internal, Refused, Unavailable, Unsupported};
    use Retryable::{No, Yes};
    let meaning = |kind, retryable, advice| Meaning { kind, retryable, drop_connection: false, advice };
    let broken = |meaning| Meaning { drop_connection: true, ..meaning };
    match error.kind() {
        // Retrying does not make a certificate valid.
        redis::ErrorKind::Io if error.to_string().contains("certificate") => {
            return broken(meaning(Refused, No, untrusted(&error.to_string())));
        }
        // Refused, reset, timed out, name not found: the network or the server is down.
        redis::ErrorKind::Io => {
            return broken(meaning(Unavailable, Yes, "the server cannot be reached or did not answer in time"));
        }
        // An unreadable answer leaves the connection in the middle of it.
        redis::ErrorKind::Parse => return broken(meaning(Unavailable, Yes, "the answer could not be read")),
        redis::ErrorKind::AuthenticationFailed => {
            return broken(meaning(Refused, No, "wrong password or user; check both in the URL"));
        }
        redis::ErrorKind::InvalidClientConfig => {
            return broken(meaning(Config, No, "the connection cannot be made with these settings"));
        }
        redis::ErrorKind::Client => return meaning(Internal, No, "the client refused the command"),
        redis::ErrorKind::UnexpectedReturnType => return meaning(Internal, No, "the answer has an unexpected form"),
        redis::ErrorKind::Server(ServerErrorKind::ExecAbort) => return meaning(Internal, No, "a script was aborted"),
        _ => {}
    }
    let detail = error.detail().unwrap_or("");
    match code_of(error) {
        "NOAUTH" | "WRONGPASS" => broken(meaning(Refused, No, "wrong password or user; check both in the URL")),
        "NOPERM" => meaning(
            Refused,
            No,
            "the user may not do this; allow it every command that is not dangerous, on the keys docket:{NAME}:*",
        ),
        // Starting up, failing over, or busy with another client's script: temporary.
        "LOADING" => meaning(Unavailable, Yes, "the server is loading its data"),
        "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" => meaning(Unavailable, Yes, "the server has no primary now"),
        "BUSY" => meaning(Unavailable, Yes, "the server is busy with a script"),
        // Cannot happen to a call that sent the whole text, except through a proxy.
        "NOSCRIPT" => meaning(Unavailable, Yes, "the server has forgotten a script"),
        "UNBLOCKED" => meaning(Unavailable, Yes, "the server aborted the wait"),
        // The primary has moved: a new connection may find it.
        "READONLY" => broken(meaning(Refused, Yes, "the server is a read-only copy; point the URL at the primary")),
        "OOM" => meaning(
            Refused,
            Yes,
            "the server is out of memory and takes no new tasks; raise maxmemory, or let workers work off what it has",
        ),
        "MISCONF" => meaning(Refused, Yes, "the server cannot persist and refuses writes; check its disk and log"),
        "NOREPLICAS" => meaning(Refused, Yes, "the server has fewer replicas than it requires (min-replicas-to-write)"),
        "MOVED" | "ASK" | "CROSSSLOT" => meaning(Unsupported, No, "a cluster is not supported; use a single primary"),
        "WRONGTYPE" => meaning(Corrupt, No, "a key of the docket has another type; is the database shared?"),
        "ERR" if other_layout(detail).is_some() => meaning(Conflict, No, "the docket is of another build"),
        "ERR" if detail.contains("max number of clients") => {
            broken(meaning(Unavailable, Yes, "the server has no free connection (maxclients)"))
        }
        "ERR" if detail.contains("DB index") => broken(meaning(Config, No, "the server has no such database number")),
        "ERR" if detail.contains("AUTH") => {
            broken(meaning(Refused, No, "wrong password or user; check both in the URL"))
        }
        // By an operator. Scripts are safe to repeat.
        "ERR" if detail.contains("Script killed by user") => meaning(Unavailable, Yes, "a running script was killed"),
        "ERR" if detail.contains("unknown command") || detail.contains("Unknown Redis command") => {
            meaning(Unsupported, No, "the server lacks a command; Redis 6.2 or later is needed, with scripts allowed")
        }
        _ => meaning(Internal, No, "the server refused a script"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the driver reads it from the wire.
    fn reply(line: &str) -> RedisError {
        let wire = format!("-{line}\r\n");
        match redis::parse_redis_value(wire.as_bytes()) {
            Ok(redis::Value::ServerError(error)) => error.into(),
            Ok(other) => panic!("{line} was read as {other:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn every_code_says_what_the_caller_can_do() {
        use ErrorKind::*;
        use Retryable::{No, Yes};
        for (line, kind, retryable, drops) in [
            ("NOAUTH Authentication required.", Refused, No, true),
            ("WRONGPASS invalid username-password pair or user is disabled.", Refused, No, true),
            ("ERR AUTH <password> called without any password configured", Refused, No, true),
            ("NOPERM this user has no permissions to run the 'evalsha' command", Refused, No, false),
            ("LOADING Redis is loading the dataset in memory", Unavailable, Yes, false),
            ("MASTERDOWN Link with MASTER is down", Unavailable, Yes, false),
            ("BUSY Redis is busy running a script.", Unavailable, Yes, false),
            ("READONLY You can't write against a read only replica.", Refused, Yes, true),
            ("OOM command not allowed when used memory > 'maxmemory'.", Refused, Yes, false),
            ("ERR Error running script (call to f_1): @user_script:9: -OOM command not allowed", Refused, Yes, false),
            ("MISCONF Redis is configured to save RDB snapshots, but cannot", Refused, Yes, false),
            ("NOREPLICAS Not enough good replicas to write.", Refused, Yes, false),
            ("MOVED 3999 127.0.0.1:6381", Unsupported, No, false),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Corrupt, No, false),
            ("ERR max number of clients reached", Unavailable, Yes, true),
            ("ERR DB index is out of range", Config, No, true),
            ("ERR unknown command 'EVALSHA'", Unsupported, No, false),
            ("NOSCRIPT No matching script. Please use EVAL.", Unavailable, Yes, false),
            ("CLUSTERDOWN The cluster is down", Unavailable, Yes, false),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable, Yes, false),
            ("UNBLOCKED client unblocked via CLIENT UNBLOCK", Unavailable, Yes, false),
            (
                "ERR Error running script (call to f_1): @user_script:9: Script killed by user with SCRIPT KILL...",
                Unavailable,
                Yes,
                false,
            ),
            ("ERR Unknown Redis command called from script script: 1", Unsupported, No, false),
            ("ERR user_script:9: OTHERLAYOUT 9 script: f, on @user_script:9.", Conflict, No, false),
            ("ERR something new", Internal, No, false),
        ] {
            let meaning = meaning_of(&reply(line));
            assert_eq!((meaning.kind, meaning.retryable, meaning.drop_connection), (kind, retryable, drops), "{line}");
        }
        for (untrusted, advice) in [
            ("UnknownIssuer", "set SSL_CERT_FILE to the certificate of that authority"),
            // The server's own certificate was named as the authority's, as the advice once said.
            ("Other(OtherError(CaUsedAsEndEntity))", "let the authority sign one"),
            ("certificate not valid for name \"a\"; certificate is only valid for b", "use a host that it names"),
            ("certificate expired: verification time 2 (UNIX)", "renew it"),
        ] {
            let untrusted = format!("invalid peer certificate: {untrusted}");
            let untrusted = RedisError::from(std::io::Error::new(std::io::ErrorKind::InvalidData, untrusted));
            let meaning = meaning_of(&untrusted);
            assert_eq!((meaning.kind, meaning.retryable), (Refused, No));
            assert!(meaning.advice.contains(advice), "{}", meaning.advice);
        }
        let reset = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert_eq!(meaning_of(&reset).kind, Unavailable);
    }
}
