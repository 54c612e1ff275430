//! The name of a place: the same for every run of the same move, and without a secret.

use docket::DocketName;
use url::Url;

/// Store and docket of a URL that was opened before.
pub(crate) fn readable(url: &str, docket: &DocketName) -> String {
    let Ok(url) = Url::parse(url) else { return format!("docket {docket}") };
    let (scheme, port) = match url.scheme() {
        "postgres" | "postgresql" => ("postgres", 5432),
        scheme if scheme.contains("unix") => ("unix", 0),
        _ => ("redis", 6379),
    };
    // A socket or a database may be named after the question mark; a password may be as well.
    let named = url.query_pairs().filter(|(name, _)| matches!(name.as_ref(), "host" | "port" | "dbname" | "db"));
    let named: String = named.flat_map(|(name, value)| [" ".into(), name, "=".into(), value]).collect();
    let path = match url.path() {
        "" | "/" if scheme == "redis" => "/0",
        path => path,
    };
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let port = if scheme == "unix" { String::new() } else { format!(":{}", url.port().unwrap_or(port)) };
    format!("{scheme}://{host}{port}{path}{named} docket {docket}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> String {
        readable(url, &DocketName::default())
    }

    #[test]
    fn a_place_has_one_name_however_it_is_written() {
        assert_eq!(read("redis://localhost"), "redis://localhost:6379/0 docket default");
        assert_eq!(read("redis://localhost"), read("valkey://LOCALHOST:6379/0"));
        assert_eq!(read("postgresql://joe@db/app"), read("postgres://ann@db:5432/app"));
        assert_ne!(read("redis://localhost/0"), read("redis://localhost/1"));
        assert_ne!(read("postgres://h/app"), read("postgres://h/other"));
        assert_eq!(read("unix:///run/redis.sock?db=2"), "unix:///run/redis.sock db=2 docket default");
    }

    #[test]
    fn no_secret_is_part_of_it() {
        for url in ["redis://joe:secret@host", "postgres://joe:secret@h/app", "postgres://h/app?password=secret"] {
            assert!(!read(url).contains("secret"), "{}", read(url));
        }
    }
}
