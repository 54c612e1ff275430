//! The differences between the stores with a server, for finding one.

use std::io::Result;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// How long one look at a server may take.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// A kind of server.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Names a server that is already there. Its dockets named `case.…` are written and cleared.
    pub(super) url_variable: &'static str,
    /// Names the image of the container.
    pub(super) image_variable: &'static str,
    /// Used where no image was named.
    pub(super) default_image: &'static str,
    /// The package to install for the third way.
    pub(super) program: &'static str,
    /// Its port in the container.
    pub(super) port: u16,
    /// How the container runs it, data kept in memory and on a disk that is thrown away.
    pub(super) command: &'static [&'static str],
    /// The image's settings.
    pub(super) environment: &'static [(&'static str, &'static str)],
    pub(super) url: fn(host: &str, port: u16) -> String,
    /// Sent to a server, to learn whether it serves.
    ask: &'static [u8],
    /// The start of a ready server's answer.
    answer: &'static [u8],
}

pub(super) const REDIS: Kind = Kind {
    name: "Redis",
    url_variable: "DOCKET_TEST_REDIS_URL",
    image_variable: "DOCKET_TEST_REDIS_IMAGE",
    default_image: "redis:7-alpine",
    program: "redis-server",
    port: 6379,
    command: &[
        "redis-server",
        "--protected-mode",
        "no",
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--maxmemory-policy",
        "noeviction",
    ],
    environment: &[],
    url: |host, port| format!("redis://{host}:{port}"),
    ask: b"PING\r\n",
    answer: b"+PONG",
};

pub(super) const POSTGRES: Kind = Kind {
    name: "Postgres",
    url_variable: "DOCKET_TEST_POSTGRES_URL",
    image_variable: "DOCKET_TEST_POSTGRES_IMAGE",
    default_image: "postgres:17-alpine",
    program: "postgresql",
    port: 5432,
    // The entrypoint of the official images makes the data directory, and leaves root.
    command: &["docker-entrypoint.sh", "postgres", "-c", "fsync=off", "-c", "max_connections=300"],
    environment: &[("POSTGRES_HOST_AUTH_METHOD", "trust")],
    url: |host, port| format!("postgres://postgres@{host}:{port}/postgres"),
    // A start-up message for the user `postgres`, and a goodbye.
    ask: b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0X\0\0\0\x04",
    // An answer about authentication; a server that starts up or ends answers with an error.
    answer: b"R",
};

impl Kind {
    /// Whether the peer of a new connection is ready.
    pub(super) async fn answers<S>(&self, connect: impl Future<Output = Result<S>>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let ask = async {
            let mut stream = connect.await?;
            stream.write_all(self.ask).await?;
            let mut answer = vec![0; self.answer.len()];
            stream.read_exact(&mut answer).await?;
            Result::Ok(answer == self.answer)
        };
        matches!(timeout(LOOK_MAX, ask).await, Ok(Ok(true)))
    }

    /// The message if no server was found.
    pub(super) fn three_ways(&self) -> String {
        let Self { name, url_variable, image_variable, default_image, program, .. } = self;
        format!(
            "the suite needs a real {name}, and there are three ways to give it one: set {url_variable} to a server; run \
             a Docker engine (the image is {image_variable}, default {default_image}); or install {program}"
        )
    }
}
