//! How a test finds a real server: yours, one in a container, or the binary of this machine. Never none.

use std::env;
use std::net::TcpListener;

use tokio::sync::OnceCell;

use kind::Kind;

mod clock;
mod container;
mod keeper;
mod kind;
mod local;
mod pgbouncer;
mod postgres;

pub use local::RedisServer;
pub use pgbouncer::{PgBouncer, pgbouncer_url};
pub use postgres::PostgresServer;

/// The server found, and its guard.
#[derive(Debug)]
enum Found {
    Given(String),
    Container(Box<container::Server>),
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl Found {
    fn url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Container(server) => server.url().to_owned(),
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
        }
    }
}

// Never dropped: a server that we started watches for the end of this process.
static REDIS: OnceCell<Found> = OnceCell::const_new();
static POSTGRES: OnceCell<Found> = OnceCell::const_new();

/// The URL of a real Redis, found once per test process, in this order: `DOCKET_TEST_REDIS_URL`; a Docker engine (the
/// image is `DOCKET_TEST_REDIS_IMAGE`, or a default one if it can be had); the `redis-server` of this machine.
///
/// # Panics
///
/// When there is none: a suite that skips has proven nothing. Also when an image was named and does not run.
pub async fn redis_url() -> String {
    let find = async || match elsewhere(&kind::REDIS).await {
        Some(found) => found,
        None => Found::Redis(RedisServer::start_with(&["--appendfsync", "everysec"]).await),
    };
    REDIS.get_or_init(find).await.url()
}

/// The URL of a real Postgres, found as [`redis_url`] finds a Redis: `DOCKET_TEST_POSTGRES_URL`; a Docker engine (the
/// image is `DOCKET_TEST_POSTGRES_IMAGE`, or a default one); the `postgres` and `initdb` of this machine.
///
/// # Panics
///
/// As [`redis_url`].
pub async fn postgres_url() -> String {
    let find = async || match elsewhere(&kind::POSTGRES).await {
        Some(found) => found,
        None => Found::Postgres(PostgresServer::start_in_haste().await),
    };
    POSTGRES.get_or_init(find).await.url()
}

/// The first two ways.
async fn elsewhere(kind: &Kind) -> Option<Found> {
    if let Some(url) = setting(kind.url_variable) {
        return Some(Found::Given(url));
    }
    let container = match setting(kind.image_variable) {
        Some(image) => Some(container::Server::start(kind, &image).await.unwrap_or_else(|error| {
            panic!("{} names {image}, which does not run: {error}", kind.image_variable);
        })),
        None => container::Server::start_default(kind).await,
    };
    container.map(|server| Found::Container(Box::new(server)))
}

fn setting(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use tokio::net::TcpStream;

    use super::*;

    /// Set for the process that dies.
    const DIES: &str = "DOCKET_TEST_DIES";
    /// How long its servers may take to follow it.
    const GONE_MAX: Duration = Duration::from_secs(20);

    /// In a container or not; stopped or not: a hang-up once ended the keepers of stopped ones. The
    /// process is this same test, run again.
    #[tokio::test]
    async fn servers_go_with_a_process_that_dies() {
        if setting(DIES).is_some() {
            let paused = RedisServer::start().await;
            paused.pause();
            println!("\n{}\n{}\n{}", redis_url().await, postgres_url().await, paused.url());
            std::process::abort();
        }
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--exact", "servers::tests::servers_go_with_a_process_that_dies", "--nocapture"]).env(DIES, "yes");
        again.env_remove(kind::REDIS.url_variable).env_remove(kind::POSTGRES.url_variable);
        let output = again.output().unwrap();
        assert!(output.status.signal().is_some(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let urls: Vec<&str> = said.lines().filter(|line| line.contains("://")).collect();
        assert_eq!(urls.len(), 3, "{said}");
        for url in urls {
            until_refused(url).await;
        }
    }

    async fn until_refused(url: &str) {
        let address = url.split(['/', '@']).rfind(|part| part.contains(':')).unwrap();
        let end = Instant::now() + GONE_MAX;
        while !TcpStream::connect(address).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            assert!(Instant::now() < end, "{url} is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
