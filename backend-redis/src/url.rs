//! Reading the address. Nothing that leaves this file carries a password.

use std::fmt;
use std::time::Duration;

use docket_core::{Error, Result};
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionInfo, IntoConnectionInfo};
use url::Url;

const WHAT_TO_DO: &str = "use redis://, rediss://, valkey:// or valkeys://[USER:PASSWORD@]HOST[:PORT][/DB], or \
                          unix:///PATH[?db=DB&user=USER&pass=PASSWORD]";

/// Where the server is and how to log in.
pub(crate) struct Address {
    /// What the driver needs, secrets included.
    pub(crate) info: ConnectionInfo,
    /// The scheme as it was written.
    pub(crate) scheme: &'static str,
    masked: String,
}

impl Address {
    /// Reads `text`; `ErrorKind::Config` says what is wrong with it and what it should look like.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let masked = mask(text);
        let refuse =
            |why: String| Error::config(format!("read the store URL {masked}"), format!("{why}; {WHAT_TO_DO}"));
        let url = Url::parse(text).map_err(|e| refuse(e.to_string()))?;
        let scheme = match url.scheme() {
            "redis" => "redis",
            "rediss" => "rediss",
            "valkey" => "valkey",
            "valkeys" => "valkeys",
            "unix" => "unix",
            "redis+unix" => "redis+unix",
            "valkey+unix" => "valkey+unix",
            other => return Err(refuse(format!("{other} is no scheme of this backend"))),
        };
        if url.fragment().is_some() {
            return Err(refuse("a fragment (#…) is not understood; certificates are always checked".to_owned()));
        }
        // The driver's own words are safe here: they name the part, never its value.
        let info = url.into_connection_info().map_err(|e| refuse(e.to_string().to_lowercase()))?;
        if matches!(scheme, "rediss" | "valkeys") {
            choose_tls_provider();
        }
        Ok(Self { info: tune(info), scheme, masked })
    }
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
    // `user:secret@host` is a URL too, of the scheme `user`: one without an authority has no password to find.
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
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| (name.to_string(), if name == "db" { value.to_string() } else { "***".to_owned() }))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.set_fragment(None);
    url.to_string()
}

/// How long a connection is quiet before the kernel asks whether the peer is there, how often it asks again, and how
/// often without an answer it gives the connection up.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_PROBES: u32 = 2;
/// How long a peer may leave what it was sent unacknowledged. Where it is set, Linux goes by it for unanswered probes too,
/// so it is what the three above come to.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(4);

/// The kernel finds out that a peer is gone without a word, also where nothing is sent for minutes: a firewall that
/// forgot the connection drops all of it. Small packets do not wait for each other.
fn tune(info: ConnectionInfo) -> ConnectionInfo {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    let keepalive = keepalive.with_retries(KEEPALIVE_PROBES);
    let tcp = info.tcp_settings().clone().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(UNACKNOWLEDGED_MAX);
    let login = info.redis_settings().clone().set_lib_name("docket", env!("CARGO_PKG_VERSION"));
    info.set_tcp_settings(tcp).set_redis_settings(login)
}

/// rustls panics when it finds no provider, or two, and none was chosen. One that the service has chosen stays.
fn choose_tls_provider() {
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;

    #[test]
    fn every_scheme_is_read() {
        for (text, scheme) in [
            ("redis://localhost", "redis"),
            ("rediss://user:secret@example.com:6380/3", "rediss"),
            ("valkey://localhost/1", "valkey"),
            ("valkeys://localhost", "valkeys"),
            ("unix:///run/redis.sock?db=2&pass=secret", "unix"),
            ("redis+unix:///run/redis.sock", "redis+unix"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.scheme, scheme);
            assert!(!format!("{address} {address:?}").contains("secret"), "{address}");
        }
    }

    #[test]
    fn a_bad_url_is_refused_with_advice_and_without_its_password() {
        for text in [
            "postgres://user:secret@localhost/db",
            "redis://user:secret@localhost:notaport",
            "redis://user:secret@localhost/notadb",
            "redis://user:secret@/1",
            "rediss://user:secret@localhost#insecure",
            "user:secret@localhost",
            "redis//user:secret@localhost",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            let said = format!("{error} {error:?}");
            assert!(!said.contains("secret"), "{said}");
            assert!(said.contains("use redis://"), "{said}");
        }
    }

    #[test]
    fn user_and_host_stay_readable() {
        assert_eq!(
            Address::parse("redis://joe:secret@example.com/2").unwrap().to_string(),
            "redis://joe:***@example.com/2"
        );
    }
}
