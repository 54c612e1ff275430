//! How a test finds a real Redis: yours, one in a container, or the binary of this machine. Never none.

use std::env;

use tokio::sync::OnceCell;

mod container;
mod local;

pub use local::RedisServer;

/// A server that is already there, e.g. `redis://localhost:6379`. Its dockets named `case.…` are written and cleared.
const URL_VARIABLE: &str = "DOCKET_TEST_REDIS_URL";
/// The image of the container, e.g. `redis:7-alpine`.
const IMAGE_VARIABLE: &str = "DOCKET_TEST_REDIS_IMAGE";

/// What was found, and what keeps it running.
#[derive(Debug)]
enum Found {
    Given(String),
    Container(Box<container::Server>),
    Local(RedisServer),
}

impl Found {
    fn url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Container(server) => server.url().to_owned(),
            Self::Local(server) => server.url(),
        }
    }
}

/// Never dropped: a server that we started watches for the end of this process.
static FOUND: OnceCell<Found> = OnceCell::const_new();

/// The URL of a real Redis, found once per test process, in this order: `DOCKET_TEST_REDIS_URL`; a Docker engine (the
/// image is `DOCKET_TEST_REDIS_IMAGE`, or a default one if it can be had); the `redis-server` of this machine.
///
/// # Panics
///
/// When there is none: a suite that skips has proven nothing. Also when an image was named and does not run.
pub async fn redis_url() -> String {
    FOUND.get_or_init(find).await.url()
}

async fn find() -> Found {
    if let Some(url) = setting(URL_VARIABLE) {
        return Found::Given(url);
    }
    let container = match setting(IMAGE_VARIABLE) {
        Some(image) => Some(container::Server::start(&image).await.unwrap_or_else(|error| {
            panic!("{IMAGE_VARIABLE} names {image}, which does not run: {error}");
        })),
        None => container::Server::start_default().await,
    };
    match container {
        Some(server) => Found::Container(Box::new(server)),
        None => Found::Local(RedisServer::start().await),
    }
}

fn setting(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// What to say when nothing is there.
fn three_ways() -> String {
    format!(
        "the suite needs a real Redis, and there are three ways to give it one: set {URL_VARIABLE} to a server; run a \
         Docker engine (the image is {IMAGE_VARIABLE}, default {}); or install redis-server",
        container::DEFAULT_IMAGE
    )
}
