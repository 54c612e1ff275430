//! Reading the address. Nothing returned from this file contains a user or a password.

use std::fmt;
use std::time::Duration;

use docket_core::{Error, Result, ShownUrl, StoreUrl, UrlForm};
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionInfo, IntoConnectionInfo};

const ADVICE: &str = "use redis://, rediss://, valkey:// or valkeys://[USER:PASSWORD@]HOST[:PORT][/DB], or \
                      unix:///PATH[?db=DB&user=USER&pass=PASSWORD]";

const TCP: UrlForm = UrlForm {
    schemes: &["redis", "rediss", "valkey", "valkeys"],
    parameters: &["protocol"],
    shown: &[],
    advice: ADVICE,
};

const UNIX: UrlForm = UrlForm {
    schemes: &["unix", "redis+unix", "valkey+unix"],
    parameters: &["db", "user", "pass", "protocol"],
    shown: &["db"],
    advice: ADVICE,
};

/// Where the server is and how to log in.
pub(crate) struct Address {
    /// The driver's options, secrets included.
    pub(crate) info: ConnectionInfo,
    /// The scheme.
    pub(crate) scheme: &'static str,
    /// The address as it is shown.
    pub(crate) shown: ShownUrl,
}

impl Address {
    /// Reads `text`; `ErrorKind::Config` says what is wrong with it and what it should look like.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let is_unix = text.trim_start().split_once("://").is_some_and(|(scheme, _)| UNIX.schemes.contains(&scheme));
        let url = StoreUrl::parse(text, if is_unix { &UNIX } else { &TCP })?;
        if is_unix && (url.host().is_some() || url.has_login()) {
            return Err(url.refuse("a socket has no host and no login before its path"));
        }
        if url.parameter("protocol").is_some_and(|value| !matches!(value.as_str(), "2" | "3" | "resp2" | "resp3")) {
            return Err(url.refuse("invalid protocol: expected 2 or 3"));
        }
        // The driver's message is safe now: it repeats only the protocol, and names the part of
        // anything else.
        let info = url.as_str().into_connection_info().map_err(|e| url.refuse(&e.to_string().to_lowercase()))?;
        let is_tls = matches!(url.scheme(), "rediss" | "valkeys");
        if is_tls && !cfg!(feature = "tls") {
            return Err(without_tls(&url));
        }
        #[cfg(feature = "tls")]
        if is_tls {
            choose_tls_provider();
        }
        Ok(Self { info: tune(info), scheme: url.scheme(), shown: url.shown().clone() })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown).finish()
    }
}

/// How long a connection is idle before the kernel probes the peer, the interval of probes, and how
/// many unanswered probes close the connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_PROBES: u32 = 2;
/// How long a peer may leave sent data unacknowledged. If set, Linux applies it to unanswered
/// probes too, so it equals the three above together.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(4);

/// Lets the kernel notice a peer that vanished silently, even if nothing is sent for minutes: a
/// firewall that forgot the connection drops every packet. Small packets do not wait for each
/// other.
fn tune(info: ConnectionInfo) -> ConnectionInfo {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    let keepalive = keepalive.with_retries(KEEPALIVE_PROBES);
    let tcp = info.tcp_settings().clone().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(UNACKNOWLEDGED_MAX);
    let login = info.redis_settings().clone().set_lib_name("docket", env!("CARGO_PKG_VERSION"));
    info.set_tcp_settings(tcp).set_redis_settings(login)
}

/// rustls panics if no provider was chosen and there is not exactly one. A provider chosen by the
/// service stays.
#[cfg(feature = "tls")]
fn choose_tls_provider() {
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What a build that cannot encrypt answers to a URL that asks for it.
fn without_tls(url: &StoreUrl) -> Error {
    let scheme = url.scheme();
    url.refuse(&format!("{scheme}:// needs TLS, which this build lacks: turn on the feature `tls` of docket-queue"))
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;

    #[test]
    fn every_scheme_is_read_and_shown_without_its_login() {
        for (text, scheme, shown) in [
            ("redis://localhost", "redis", "redis://localhost"),
            ("rediss://joe:secret@example.com:6380/3", "rediss", "rediss://***@example.com:6380/3"),
            ("valkey://localhost/1", "valkey", "valkey://localhost/1"),
            ("valkeys://localhost?protocol=3", "valkeys", "valkeys://localhost"),
            ("unix:///run/redis.sock?db=2&user=joe&pass=secret", "unix", "unix:///run/redis.sock?db=2"),
            ("redis+unix:///run/redis.sock", "redis+unix", "redis+unix:///run/redis.sock"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.scheme, &*address.shown), (scheme, shown));
            assert!(format!("{address:?}").contains(shown));
        }
    }

    #[test]
    fn a_bad_url_is_refused_with_advice_and_without_its_login() {
        for (text, why) in [
            ("postgres://joe:secret@localhost/db", "does not support this scheme"),
            ("redis://joe:secret@localhost:notaport", "invalid port"),
            ("redis://joe:secret@localhost/notadb", "invalid database number"),
            ("redis://joe:secret@/1", "empty host"),
            ("rediss://joe:secret@localhost#insecure", "fragment"),
            ("joe:secret@localhost", "no scheme"),
            ("redis//joe:secret@localhost", "no scheme"),
            ("redis://joe:12/3secret@localhost", "an @ after the host"),
            ("redis://localhost?db=3", "an unknown parameter \"db\"; known are protocol; use redis://"),
            ("redis://localhost?protocol=secret", "invalid protocol: expected 2 or 3"),
            ("redis://localhost?password=secret", "an unknown parameter \"password\""),
            ("unix:///run/redis.sock?database=3", "known are db, user, pass, protocol"),
            ("unix:///run/redis.sock?db=secret", "invalid database number"),
            ("unix://joe:secret@/run/redis.sock", "empty host"),
            ("unix://secret/redis.sock", "a socket has no host"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            let said = format!("{error} {error:?}");
            assert!(said.contains(why) && said.contains("use redis://"), "{text}: {said}");
            assert!(!said.contains("joe") && !said.contains("3secret"), "{text}: {said}");
            assert!(text.starts_with("unix://secret") || !said.contains("secret"), "{text}: {said}");
        }
    }
    #[test]
    fn a_build_without_tls_names_the_feature_and_no_login() {
        let url = StoreUrl::parse("rediss://joe:secret@localhost", &TCP).unwrap();
        let error = without_tls(&url);
        assert_eq!(error.kind(), ErrorKind::Config);
        let said = format!("{error} {error:?}");
        assert!(said.contains("rediss:// needs TLS") && said.contains("the feature `tls` of docket-queue"), "{said}");
        assert!(!said.contains("joe") && !said.contains("secret"), "{said}");
    }
}
