//! Reading the address. Nothing that leaves this file carries a password.

use std::fmt;
use std::str::FromStr;

use docket_core::{Error, Result};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::Pooler;

const WHAT_TO_DO: &str = "use postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?sslmode=verify-full], with \
                          pgbouncer=true for a pooler in transaction mode, or postgres://USER@%2Fpath%2Fof%2Fthe%2Fsocket/DATABASE";

/// The parameters whose values may be shown.
const SHOWN: [&str; 6] = ["sslmode", "ssl-mode", "host", "port", "dbname", PGBOUNCER];
/// Says that the address is a pooler's, in transaction mode.
const PGBOUNCER: &str = "pgbouncer";

/// Where the server is and how to log in.
pub(crate) struct Address {
    /// What the driver needs, secrets included.
    pub(crate) connect: PgConnectOptions,
    /// The scheme as it was written.
    pub(crate) scheme: &'static str,
    /// What `pgbouncer` says.
    pub(crate) pooler: Pooler,
    masked: String,
}

impl Address {
    /// Reads `text`; `ErrorKind::Config` says what is wrong with it and what it should look like.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let masked = mask(text);
        let refuse =
            |why: String| Error::config(format!("read the store URL {masked}"), format!("{why}; {WHAT_TO_DO}"));
        let mut url = Url::parse(text).map_err(|e| refuse(e.to_string()))?;
        let scheme = match url.scheme() {
            "postgres" => "postgres",
            "postgresql" => "postgresql",
            other => return Err(refuse(format!("{other} is no scheme of this backend"))),
        };
        if url.fragment().is_some() {
            return Err(refuse("a fragment (#…) is not understood".to_owned()));
        }
        let pooler = take_pooler(&mut url).map_err(refuse)?;
        let connect = PgConnectOptions::from_str(url.as_str())
            // Its words may repeat a value, which may be a secret.
            .map_err(|_| refuse("a part of it is not what it must be".to_owned()))?
            .disable_statement_logging();
        Ok(Self { connect, scheme, pooler, masked })
    }

    /// An address that somebody else has read.
    pub(crate) fn of(connect: &PgConnectOptions) -> Self {
        let host = connect.get_socket().map_or(connect.get_host().to_owned(), |path| path.display().to_string());
        let database = connect.get_database().unwrap_or(connect.get_username());
        let masked = format!("postgres://{}@{host}:{}/{database}", connect.get_username(), connect.get_port());
        Self { connect: connect.clone(), scheme: "postgres", pooler: Pooler::None, masked }
    }
}

/// Takes our own parameter out of the URL: the driver must not see it.
fn take_pooler(url: &mut Url) -> Result<Pooler, String> {
    let (ours, others): (Vec<_>, Vec<_>) = url.query_pairs().into_owned().partition(|(name, _)| name == PGBOUNCER);
    let Some((_, value)) = ours.last() else { return Ok(Pooler::None) };
    let pooler = match value.as_str() {
        "true" => Pooler::Transaction,
        "false" => Pooler::None,
        _ => return Err(format!("{PGBOUNCER} is neither true nor false")),
    };
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    Ok(pooler)
}

impl fmt::Display for Address {
    /// The URL with its password masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.masked).finish()
    }
}

/// `text` without its password, also when it is no URL at all.
fn mask(text: &str) -> String {
    let Some(mut url) = Url::parse(text).ok().filter(|url| !url.cannot_be_a_base()) else {
        // Whatever stands between the scheme and the last @ may be a secret.
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let separator = if scheme.is_empty() { "" } else { "://" };
        let host = rest.rsplit_once('@').map_or("", |(_, host)| host);
        return format!("{scheme}{separator}***@{}", host.split(['?', '#']).next().unwrap_or(""));
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return format!("{}://***", url.scheme());
    }
    if url.query().is_some() {
        let shown = |name: &str, value: &str| if SHOWN.contains(&name) { value.to_owned() } else { "***".to_owned() };
        let pairs: Vec<_> = url.query_pairs().map(|(name, value)| (name.to_string(), shown(&name, &value))).collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;

    #[test]
    fn every_form_is_read() {
        for text in [
            "postgres://localhost/app",
            "postgresql://joe:secret@example.com:6432/app?sslmode=verify-full&sslrootcert=/secret.pem",
            "postgres://joe@%2Frun%2Fpostgresql/app?password=secret",
        ] {
            let address = Address::parse(text).unwrap();
            assert!(text.starts_with(&format!("{}://", address.scheme)));
            assert!(!format!("{address} {address:?}").contains("secret"), "{address}");
        }
        let socket = Address::parse("postgres://joe@%2Frun%2Fpostgresql/app").unwrap();
        assert_eq!(socket.connect.get_socket().unwrap().to_str(), Some("/run/postgresql"));
    }

    #[test]
    fn a_bad_url_is_refused_with_advice_and_without_its_password() {
        for text in [
            "redis://user:secret@localhost",
            "postgres://user:secret@localhost:notaport/app",
            "postgres://user:secret@localhost/app?sslmode=secret",
            "postgres://user:secret@localhost/app#insecure",
            "user:secret@localhost",
            "postgres//user:secret@localhost",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            let said = format!("{error} {error:?}");
            assert!(!said.contains("user:secret"), "{said}");
            assert!(said.contains("use postgres://"), "{said}");
        }
    }

    #[test]
    fn a_pooler_is_said_in_the_url_and_the_driver_never_hears_of_it() {
        for (query, pooler) in [
            ("", Pooler::None),
            ("?pgbouncer=false", Pooler::None),
            ("?pgbouncer=true", Pooler::Transaction),
            ("?sslmode=disable&pgbouncer=true&application_name=a%26b", Pooler::Transaction),
        ] {
            let address = Address::parse(&format!("postgres://joe:secret@localhost/app{query}")).unwrap();
            assert_eq!(address.pooler, pooler, "{query}");
            assert_eq!(address.to_string().contains("pgbouncer="), query.contains("pgbouncer="), "{address}");
        }
        let error = Address::parse("postgres://joe:secret@localhost/app?pgbouncer=yes").unwrap_err();
        assert!(
            error.to_string().contains("neither true nor false") && !error.to_string().contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn user_and_host_stay_readable() {
        let address = Address::parse("postgres://joe:secret@example.com/app?sslmode=require").unwrap();
        assert_eq!(address.to_string(), "postgres://joe:***@example.com/app?sslmode=require");
    }
}
