//! Which backend a URL means: the one place that knows schemes.

use docket_core::{Error, Result, refused_url};

/// The advice for every mistake in a URL.
const WHAT_TO_DO: &str = "use memory:// (one process, not durable), redis://, rediss://, valkey://, valkeys:// or \
                          unix:// for a Redis or Valkey server, e.g. redis://USER:PASSWORD@HOST:6379/0, or \
                          postgres://USER:PASSWORD@HOST:5432/DATABASE";

/// The known backends, whether this build has them or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backend {
    Memory,
    Postgres,
    Redis,
}

/// Reads the scheme of `url`.
pub(crate) fn backend_of(url: &str) -> Result<Backend> {
    let url = url.trim();
    if url.is_empty() {
        return Err(refuse(url, "it is empty"));
    }
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(refuse(url, "it has no scheme: it must start with a word and ://"));
    };
    match scheme.to_ascii_lowercase().as_str() {
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
    refused_url(url, why, WHAT_TO_DO)
}

/// Refuses a URL of the memory backend with anything beside its scheme.
#[cfg(feature = "memory")]
pub(crate) fn check_memory(url: &str) -> Result<()> {
    const FORM: docket_core::UrlForm =
        docket_core::UrlForm { schemes: &["memory"], parameters: &[], shown: &[], advice: WHAT_TO_DO };
    let url = docket_core::StoreUrl::parse(url, &FORM)?;
    if url.host().is_some() || url.has_login() || !matches!(url.path(), "" | "/") {
        return Err(url.refuse("memory:// takes no host, no login and no path"));
    }
    Ok(())
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
            ("", "URL: it is empty"),
            (" ", "URL: it is empty"),
        ] {
            let error = backend_of(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let said = error.to_string();
            assert!(said.contains(reason) && said.contains("use memory://"), "{said}");
        }
    }

    #[test]
    fn a_refusal_shows_the_host_and_nothing_before_it() {
        assert!(backend_of("amqp://joe:secret@host:1/2").unwrap_err().to_string().contains("amqp://***@host:1/2"));
        for url in [
            "amqp://joe:sec@secret@host",
            "amqp://joe:a?secret@host",
            "amqp://host?password=secret",
            "amqp://host?password=a@secret",
            "joe:secret@host",
            "joe:a://secret@host",
            "secret",
        ] {
            let error = backend_of(url).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("secret") && !said.contains("joe"), "{said}");
        }
    }

    #[cfg(feature = "memory")]
    #[test]
    fn memory_takes_nothing_beside_its_scheme() {
        assert!(check_memory("memory://").is_ok() && check_memory("memory:///").is_ok());
        for (url, why) in [
            ("memory://?db=1", "an unknown parameter \"db\"; it takes no parameters"),
            ("memory://plyr", "takes no host"),
            ("memory:///1", "takes no host"),
            ("memory://joe:secret@host", "takes no host"),
        ] {
            let said = check_memory(url).unwrap_err().to_string();
            assert!(said.contains(why) && !said.contains("secret"), "{url}: {said}");
        }
    }
}
