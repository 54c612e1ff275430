//! Reading the address. Nothing returned from this file contains a user or a password.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use docket_core::{Result, ShownUrl, StoreUrl, UrlForm};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tracing::subscriber::{NoSubscriber, with_default};

use crate::Pooler;

/// Marks the address as that of a pooler in transaction mode.
const PGBOUNCER: &str = "pgbouncer";

/// The driver's parameters, and our own.
const FORM: UrlForm = UrlForm {
    schemes: &["postgres", "postgresql"],
    parameters: &[
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
        "options[",
        PGBOUNCER,
    ],
    shown: &["sslmode", "ssl-mode", "host", "hostaddr", "port", "dbname", PGBOUNCER],
    advice: "use postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?sslmode=verify-full], with pgbouncer=true for a pooler in \
             transaction mode, or postgres://USER@%2Fpath%2Fof%2Fthe%2Fsocket/DATABASE",
};

/// Where the server is and how to log in.
pub(crate) struct Address {
    /// The driver's options, secrets included.
    pub(crate) connect: PgConnectOptions,
    /// The scheme.
    pub(crate) scheme: &'static str,
    /// The value of `pgbouncer`.
    pub(crate) pooler: Pooler,
    /// The address as it is shown.
    pub(crate) shown: ShownUrl,
}

impl Address {
    /// Reads `text`; `ErrorKind::Config` says what is wrong with it and what it should look like.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut url = StoreUrl::parse(text, &FORM)?;
        let pooler = match url.take(PGBOUNCER).as_deref() {
            None | Some("false") => Pooler::None,
            Some("true") => Pooler::Transaction,
            Some(_) => return Err(url.refuse(&format!("invalid {PGBOUNCER}: expected true or false"))),
        };
        check_values(&url)?;
        // The driver logs lines of a password file that it cannot read.
        let read = with_default(NoSubscriber::default(), || PgConnectOptions::from_str(url.as_str()));
        // Its message may contain a value, which may be a secret.
        let connect = read.map_err(|_| url.refuse("user, password or database is not UTF-8"))?;
        if !cfg!(feature = "tls") {
            check_without_tls(&connect, &url)?;
        }
        Ok(Self {
            connect: connect.disable_statement_logging(),
            scheme: url.scheme(),
            pooler,
            shown: url.shown().clone(),
        })
    }

    /// An address that the service has already read.
    pub(crate) fn of(connect: &PgConnectOptions) -> Self {
        let host = connect.get_socket().map_or(connect.get_host().to_owned(), |path| path.display().to_string());
        // Without a name, the database is named like the user.
        let database = connect.get_database().unwrap_or_default();
        let text = format!("postgres://{host}:{}/{database}", connect.get_port());
        let shown = ShownUrl::new(text, [connect.get_username().to_owned()]);
        Self { connect: connect.clone(), scheme: "postgres", pooler: Pooler::None, shown }
    }
}

/// Refuses a value that the driver would refuse with a less helpful message.
fn check_values(url: &StoreUrl) -> Result<()> {
    let wrong = |name: &str, is_good: fn(&str) -> bool| url.parameter(name).is_some_and(|value| !is_good(&value));
    for name in ["sslmode", "ssl-mode"] {
        if wrong(name, |value| PgSslMode::from_str(value).is_ok()) {
            let why = format!("invalid {name}: expected disable, allow, prefer, require, verify-ca or verify-full");
            return Err(url.refuse(&why));
        }
    }
    for (name, is_good, what) in [
        ("port", (|value| value.parse::<u16>().is_ok()) as fn(&str) -> bool, "a number up to 65535"),
        ("hostaddr", |value| value.parse::<IpAddr>().is_ok(), "an IP address"),
        ("statement-cache-capacity", |value| value.parse::<usize>().is_ok(), "a number"),
    ] {
        if wrong(name, is_good) {
            return Err(url.refuse(&format!("invalid {name}: expected {what}")));
        }
    }
    Ok(())
}

/// Refuses a connection that must be encrypted, for a build that cannot encrypt.
fn check_without_tls(connect: &PgConnectOptions, url: &StoreUrl) -> Result<()> {
    let mode = match connect.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => return Ok(()),
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    };
    let why = format!("sslmode={mode} needs TLS, which this build lacks: turn on the feature `tls` of docket-queue");
    Err(url.refuse(&why))
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;

    #[test]
    fn every_form_is_read_and_shown_without_its_login() {
        for (text, shown) in [
            ("postgres://localhost/app", "postgres://localhost/app"),
            (
                "postgresql://joe:secret@example.com:6432/app?sslmode=verify-full&sslrootcert=/secret.pem",
                "postgresql://***@example.com:6432/app?sslmode=verify-full",
            ),
            ("postgres://joe@%2Frun%2Fpostgresql/app?password=secret", "postgres://***@%2Frun%2Fpostgresql/app"),
            ("postgres:///app?host=/run/postgresql&user=joe", "postgres:///app?host=/run/postgresql"),
            ("postgres://joe:se@cret@[::1]/app?options[search_path]=secret", "postgres://***@[::1]/app"),
        ] {
            let address = Address::parse(text).unwrap();
            assert!(text.starts_with(&format!("{}://", address.scheme)));
            assert_eq!(&*address.shown, shown);
            assert!(format!("{address:?}").contains(shown));
        }
        let socket = Address::parse("postgres://joe@%2Frun%2Fpostgresql/app").unwrap();
        assert_eq!(socket.connect.get_socket().unwrap().to_str(), Some("/run/postgresql"));
        assert_eq!(&*Address::of(&socket.connect.clone().username("joe")).shown, "postgres:///run/postgresql:5432/app");
    }

    #[test]
    fn a_bad_url_is_refused_with_advice_and_without_its_login() {
        for (text, why) in [
            ("redis://joe:secret@localhost", "does not support this scheme"),
            ("postgres://joe:secret@localhost:notaport/app", "invalid port"),
            ("postgres://joe:secret@localhost/app?sslmode=secret", "invalid sslmode: expected disable"),
            ("postgres://joe:secret@localhost/app?sslpassword=secret", "an unknown parameter \"sslpassword\""),
            ("postgres://localhost/app?connect_timeout=3", "known are sslmode, "),
            ("postgres://joe:secret@localhost/app#insecure", "fragment"),
            ("postgres://joe:12/secret@localhost/app", "an @ after the host"),
            ("postgres://joe:12?secret@localhost/app", "an @ after the host"),
            ("postgres://joe%3Asecret%40localhost/app", "its host or path has a character"),
            ("postgres://localhost/app?port=secret", "invalid port: expected a number"),
            ("postgres://localhost/app?hostaddr=secret", "invalid hostaddr: expected an IP address"),
            ("postgres://joe:secret%FF@localhost/app", "not UTF-8"),
            ("joe:secret@localhost", "no scheme"),
            ("postgres//joe:secret@localhost", "no scheme"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            let said = format!("{error} {error:?}");
            assert!(!said.contains("secret") && !said.contains("joe"), "{said}");
            assert!(said.contains(why) && said.contains("use postgres://"), "{text}: {said}");
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
            assert_eq!(address.shown.contains("pgbouncer="), query.contains("pgbouncer="), "{address:?}");
            let name = query.contains("application_name").then_some("a&b");
            assert_eq!(address.connect.get_application_name(), name);
        }
        let error = Address::parse("postgres://joe:secret@localhost/app?pgbouncer=yes").unwrap_err();
        assert!(
            error.to_string().contains("expected true or false") && !error.to_string().contains("secret"),
            "{error}"
        );
    }
    #[test]
    fn a_build_without_tls_takes_what_may_be_plain_and_names_the_feature_for_the_rest() {
        let check = |mode: &str| {
            let url = StoreUrl::parse(&format!("postgres://joe:secret@localhost/app?sslmode={mode}"), &FORM).unwrap();
            check_without_tls(&PgConnectOptions::from_str(url.as_str()).unwrap(), &url)
        };
        for mode in ["disable", "allow", "prefer"] {
            assert!(check(mode).is_ok(), "{mode}");
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            let error = check(mode).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let said = format!("{error} {error:?}");
            assert!(
                said.contains(&format!("sslmode={mode} needs TLS")) && said.contains("the feature `tls`"),
                "{said}"
            );
            assert!(!said.contains("joe") && !said.contains("secret"), "{said}");
        }
    }
}
