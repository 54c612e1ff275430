//! Which backend a URL means: the one place that knows schemes. Nothing that leaves this file carries a password.

use docket_core::{Error, Result};

/// What every mistake in a URL is answered with.
const WHAT_TO_DO: &str = "use memory:// (one process, not durable), redis://, rediss://, valkey://, valkeys:// or \
                          unix:// for a Redis or Valkey server, e.g. redis://USER:PASSWORD@HOST:6379/0, or \
                          postgres://USER:PASSWORD@HOST:5432/DATABASE";

/// The backends there are, whether this build has them or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backend {
    Memory,
    Postgres,
    Redis,
}

/// Reads the scheme of `url`.
pub(crate) fn backend_of(url: &str) -> Result<Backend> {
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(refuse(url, "it has no scheme"));
    };
    match scheme {
        "memory" => Ok(Backend::Memory),
        "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => Ok(Backend::Redis),
        "postgres" | "postgresql" => Ok(Backend::Postgres),
        "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {
            Err(refuse(url, "Sentinel and Cluster are not built yet; give the address of the primary"))
        }
        _ => Err(refuse(url, "no backend has this scheme")),
    }
}

/// The error for a URL that this build cannot serve.
pub(crate) fn refuse(url: &str, why: &str) -> Error {
    Error::config(format!("read the store URL {}", masked(url)), format!("{why}; {WHAT_TO_DO}"))
}

/// Enough of `url` to recognise it by, and no part that may be a secret.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // Without a scheme nothing says which part is the password.
        return "***".to_owned();
    };
    let tail = ['?', '#'];
    match rest.rsplit_once('@') {
        // Either mark may belong to the password, so that neither says where it ends.
        Some(_) if rest.contains(tail) => format!("{scheme}://***"),
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => format!("{scheme}://{}", rest.split(tail).next().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;

    #[test]
    fn every_scheme_has_its_backend() {
        assert_eq!(backend_of("memory://").unwrap(), Backend::Memory);
        for scheme in ["postgres", "postgresql"] {
            assert_eq!(backend_of(&format!("{scheme}://somewhere")).unwrap(), Backend::Postgres, "{scheme}");
        }
        for scheme in ["redis", "rediss", "valkey", "valkeys", "unix", "redis+unix", "valkey+unix"] {
            assert_eq!(backend_of(&format!("{scheme}://somewhere")).unwrap(), Backend::Redis, "{scheme}");
        }
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_the_reason_and_advice() {
        for (url, reason) in [
            ("redis+sentinel://host", "not built yet"),
            ("amqp://host", "no backend has this scheme"),
            ("localhost:6379", "it has no scheme"),
            ("", "it has no scheme"),
        ] {
            let error = backend_of(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let said = error.to_string();
            assert!(said.contains(reason) && said.contains("use memory://"), "{said}");
        }
    }

    #[test]
    fn a_refusal_shows_the_host_and_never_the_password() {
        assert!(backend_of("amqp://joe:secret@host:1/2").unwrap_err().to_string().contains("amqp://***@host:1/2"));
        for url in [
            "amqp://joe:sec@secret@host",
            "amqp://joe:a?secret@host",
            "amqp://host?password=secret",
            "amqp://host?password=a@secret",
            "joe:secret@host",
            "secret",
        ] {
            let error = backend_of(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
}
