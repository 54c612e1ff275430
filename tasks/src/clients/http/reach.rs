//! Which addresses may be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use docket_core::{Error, ErrorKind, Result};
use url::{Host, Url};

/// How far a client reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// `https` on public addresses.
    #[default]
    Public,
    /// Also `http` and `https` on this machine itself: for tests.
    Loopback,
}

impl Reach {
    /// Refuses an address that must not be asked. A name is judged when it is resolved, see [`Reach::allows`].
    pub(super) fn check(self, url: &Url) -> Result<()> {
        let refuse = |why: &str| {
            let host = url.host_str().unwrap_or_default();
            Err(Error::new(ErrorKind::Refused, format!("reach {host:?}"), why))
        };
        let literal = match url.host() {
            None => return refuse("the address names no host"),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the address carries a user name or a password");
        }
        let is_local = url.host_str() == Some("localhost") || literal.is_some_and(|ip| ip.is_loopback());
        if url.scheme() != "https" && !(url.scheme() == "http" && self == Self::Loopback && is_local) {
            return refuse("only https:// goes out");
        }
        if literal.is_some_and(|ip| !self.allows(ip)) {
            return refuse("the address is not public");
        }
        Ok(())
    }

    /// Whether this very address may be connected to.
    pub(super) fn allows(self, ip: IpAddr) -> bool {
        let is_public = match ip {
            IpAddr::V4(ip) => is_public_v4(ip),
            IpAddr::V6(ip) => is_public_v6(ip),
        };
        is_public || (self == Self::Loopback && ip.is_loopback())
    }
}

/// Everything but the special-purpose blocks of the IANA registry.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast();
    !special
        && !matches!(
            ip.octets(),
            // This network; shared by carriers; protocol assignments; 6to4 relays; benchmarks; reserved.
            [0 | 240.., ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..]
        )
}

/// Global unicast, without documentation ranges and ranges that hide an IPv4 address that is not
/// public.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let v4_at = |index: usize| Ipv4Addr::from(u32::from(segments[index]) << 16 | u32::from(segments[index + 1]));
    match segments {
        // Mapped, and translated (NAT64): as the address within.
        [0, 0, ..] => ip.to_ipv4_mapped().is_some_and(is_public_v4),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(v4_at(6)),
        // 6to4: likewise.
        [0x2002, ..] => is_public_v4(v4_at(1)),
        // Protocol assignments (Teredo among them) and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [&str; 31] = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001:0:1::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "fc00::1",
        "fe80::1",
        "ff02::1",
    ];
    const PUBLIC: [&str; 8] = [
        "1.1.1.1",
        "100.128.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "2606:4700::1111",
        "2a00:1450::8a",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
    ];

    #[test]
    fn only_public_addresses_are_reached() {
        for address in NEVER {
            assert!(!Reach::Public.allows(address.parse().unwrap()), "{address}");
        }
        for address in PUBLIC {
            assert!(Reach::Public.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn the_switch_for_tests_permits_this_machine_and_nothing_else() {
        for address in NEVER {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(Reach::Loopback.allows(ip), ip.is_loopback(), "{address}");
        }
    }

    #[test]
    fn addresses_are_judged_before_anything_is_sent() {
        let table = [
            ("https://pds.example.com/xrpc", true, true),
            ("http://pds.example.com", false, false),
            ("https://user:secret@pds.example.com", false, false),
            ("https://10.0.0.1", false, false),
            ("https://[::1]:443", false, true),
            ("http://127.0.0.1:2583", false, true),
            ("http://localhost:2583", false, true),
            // The same address, as a URL may write it.
            ("https://0x7f.1", false, true),
            ("https://2130706433", false, true),
            ("ftp://localhost", false, false),
            ("file:///etc/passwd", false, false),
        ];
        for (url, public, loopback) in table {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(Reach::Public.check(&parsed).is_ok(), public, "{url}");
            assert_eq!(Reach::Loopback.check(&parsed).is_ok(), loopback, "{url}");
        }
        let shown = Reach::Public.check(&Url::parse("https://user:secret@a.example").unwrap()).unwrap_err().chain();
        assert!(!shown.contains("secret"), "{shown}");
    }
}
