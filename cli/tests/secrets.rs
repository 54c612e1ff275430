//! Whatever a store's URL looks like, nothing that is said of it or logged has its user or its password.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use conformance_tests::servers::{PostgresServer, RedisServer};
use docket::{Docket, Error};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tracing_subscriber::fmt::MakeWriter;

/// What a user and a password have in them here.
const HUSH: [&str; 3] = ["HUSHU", "HUSHP", "HUSHQ"];

/// All that is logged by this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The log of this process, at `trace`: the lines of drivers are in it as well.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        tracing::subscriber::set_global_default(subscriber.with_writer(log.clone()).finish()).unwrap();
        log
    })
}

/// Everything that an error can be made to say.
fn words(error: &Error) -> String {
    let mut said = format!("{error} {error:?} {}", error.chain());
    let mut source = error.source();
    while let Some(cause) = source {
        write!(said, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    said
}

/// Opens a docket there, asks it something, and answers all that was said meanwhile.
async fn said_of(url: &str, outbox: Option<&str>, patience: Duration) -> String {
    let connect = Docket::connect(url).unexamined().patience(patience);
    let connect = match outbox {
        Some(outbox) => connect.outbox(outbox),
        None => connect,
    };
    let mut said = format!("{connect:?}");
    match connect.await {
        Err(error) => said.push_str(&words(&error)),
        Ok(docket) => {
            write!(said, "{docket:?} {:?}", docket.store().capabilities()).unwrap();
            // What is elsewhere takes too long.
            if url.contains("127.0.0.1") {
                let asked = tokio::time::timeout(Duration::from_secs(10), docket.store().counts()).await;
                if let Ok(Err(error)) = asked {
                    said.push_str(&words(&error));
                }
            }
        }
    }
    said.push_str(&String::from_utf8_lossy(&std::mem::take(&mut *log().0.lock().unwrap())));
    said
}

fn told(said: &str) -> Option<&'static str> {
    HUSH.into_iter().find(|hush| said.contains(hush))
}

/// Text with the marks that have a meaning in URLs.
fn junk() -> impl Strategy<Value = String> {
    "[a-z0-9:/?#@%&=+ \\[\\]\\\\\"'{}$\\n\u{202e}]{0,5}"
}

fn login() -> impl Strategy<Value = String> {
    (junk(), junk(), prop_oneof![Just(":"), Just(""), Just("%3A")], junk(), junk())
        .prop_map(|(a, b, colon, c, d)| format!("{a}{}{b}{colon}{c}{}{d}", HUSH[0], HUSH[1]))
}

fn scheme() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "redis",
        "rediss",
        "valkey",
        "unix",
        "redis+unix",
        "postgres",
        "postgresql",
        "memory",
        "amqp",
        "redis+sentinel",
        "",
    ])
}

fn url() -> impl Strategy<Value = String> {
    let separator = prop_oneof![4 => Just("://"), 1 => Just("//"), 1 => Just(":"), 1 => Just(":/"), 1 => Just("")];
    let host =
        prop::sample::select(vec!["localhost", "127.0.0.1:1", "[::1]:1", "db.example:port", "", "%2Frun", "a b"]);
    let tail = prop::sample::select(vec![
        "",
        "/0",
        "/app",
        "/a/b",
        "?db=1",
        "/0?protocol=HUSHQ",
        "/app?password=HUSHQ",
        "/app?sslpassword=HUSHQ",
        "#HUSHQ",
        "?unknown=HUSHQ&x",
        "?sslmode=HUSHQ",
        "?user=HUSHQ&pass=HUSHQ",
        "?application_name=a@HUSHQ",
    ]);
    (scheme(), separator, login(), host, tail)
        .prop_map(|(scheme, separator, login, host, tail)| format!("{scheme}{separator}{login}@{host}{tail}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_url_tells_its_login_however_it_is_broken(url in url()) {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| Runtime::new().unwrap());
        log();
        for (url, outbox) in [(url.as_str(), None), ("redis://127.0.0.1:1", Some(url.as_str()))] {
            let said = runtime.block_on(said_of(url, outbox, Duration::ZERO));
            prop_assert_eq!(told(&said), None, "{:?}: {}", url, said);
        }
    }
}

#[tokio::test]
async fn an_at_that_was_percent_encoded_by_mistake_tells_nothing() {
    log();
    for scheme in ["redis", "postgres", "amqp"] {
        for rest in ["HUSHU:HUSHP%40127.0.0.1:1/0", "HUSHU%3AHUSHP%40127.0.0.1", "HUSHU:12/HUSHP%40host", "HUSHU:HUSHP"]
        {
            let said = said_of(&format!("{scheme}://{rest}"), None, Duration::ZERO).await;
            assert_eq!(told(&said), None, "{said}");
        }
    }
}

/// The words of a server name the user that it refuses.
#[tokio::test]
async fn the_words_of_a_server_lose_the_login() {
    log();
    let (postgres, redis) = (PostgresServer::start().await, RedisServer::start_with(&["--requirepass", "right"]).await);
    let acl = ["--user", "HUSHU", "on", ">HUSHP", "~x", "+ping"];
    let limited = RedisServer::start_with(&acl).await;
    for (url, why) in [
        (postgres.url().replacen("postgres@", "HUSHU:HUSHP@", 1), "wrong password or user"),
        (
            postgres.url().replacen("postgres@", "postgres:HUSHP@", 1).replacen("/postgres", "/nowhere", 1),
            "no such database",
        ),
        (redis.url().replacen("://", "://HUSHU:HUSHP@", 1), "wrong password or user"),
        (limited.url().replacen("://", "://HUSHU:HUSHP@", 1), "the user may not do this"),
    ] {
        let said = said_of(&url, None, Duration::from_secs(5)).await;
        assert!(said.contains(why) || url.contains("nowhere"), "{said}");
        assert_eq!(told(&said), None, "{said}");
    }
}

/// The driver logs lines of a password file that it cannot read.
#[test]
fn a_broken_password_file_tells_nothing() {
    log();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "HUSHU:HUSHP\n").unwrap();
    let docket = std::process::Command::new(env!("CARGO_BIN_EXE_docket"))
        .args(["stats", "--url", "postgres://joe@127.0.0.1:1/app"])
        .env("PGPASSFILE", file.path())
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&docket.stderr);
    assert_eq!((docket.status.code(), told(&said)), (Some(3), None), "{said}");
}
