//! A server of its own for each test, and what these tests say to it.

use std::ops::Deref;

use conformance_tests::servers::RedisServer;
use redis::aio::MultiplexedConnection;

/// A running server; it ends with this value.
pub(crate) struct Server(RedisServer);

impl Server {
    /// Starts one that keeps every write, with further settings in the words of its command line.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        Self(RedisServer::start_with(settings).await)
    }

    /// A connection for the test itself.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a good URL");
        client.get_multiplexed_async_connection().await.expect("the server answers")
    }

    /// A number that the server tells of itself.
    pub(crate) async fn number_of(&self, field: &str) -> u64 {
        let report: String = self.tell("INFO").await;
        let line = report.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{field} is reported"))
    }

    /// Sends one command, its words apart by spaces.
    pub(crate) async fn tell<T: redis::FromRedisValue>(&self, words: &str) -> T {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            command.arg(word);
        });
        command.query_async(&mut self.connection().await).await.expect("the server takes the command")
    }
}

impl Deref for Server {
    type Target = RedisServer;

    fn deref(&self) -> &RedisServer {
        &self.0
    }
}
