//! A Redis that syncs every write (`appendfsync always`).

use std::time::Duration;

use conformance_tests::servers::RedisServer;
use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::Outcome;

/// The server and its copy.
#[derive(Debug)]
pub struct Redis {
    server: RedisServer,
    /// Whether its clock can be moved.
    clocked: bool,
    copy: Option<RedisServer>,
    /// Kept while the server takes no other connection.
    way_in: Option<Connection>,
}

struct Connection(MultiplexedConnection);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Redis {
    pub(super) async fn start(clocked: bool) -> Self {
        Self { server: server(clocked).await, clocked, copy: None, way_in: None }
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port()
    }

    pub(super) fn set_clock(&self, ahead_seconds: i64) {
        self.server.set_clock(ahead_seconds);
    }

    pub(super) fn kill(&self) {
        self.server.kill9();
    }

    pub(super) async fn restart(&self) {
        self.server.restart().await;
    }

    pub(super) async fn tell(&self, words: &[&str]) -> Outcome {
        ask(&mut connect(&self.server).await?, words).await?;
        Ok(())
    }

    /// A copy that has everything up to now, and receives nothing from now on.
    pub(super) async fn copy(&mut self) -> Outcome {
        let copy = server(self.clocked).await;
        let mut connection = connect(&copy).await?;
        ask(&mut connection, &["REPLICAOF", "127.0.0.1", &self.server.port().to_string()]).await?;
        loop {
            let role = ask(&mut connection, &["INFO", "replication"]).await?;
            if format!("{role:?}").contains("master_link_status:up") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        ask(&mut connection, &["REPLICAOF", "NO", "ONE"]).await?;
        self.copy = Some(copy);
        Ok(())
    }

    pub(super) fn fail_over(&mut self) -> Outcome {
        self.server.kill9();
        self.server = self.copy.take().ok_or("there is no copy")?;
        Ok(())
    }

    pub(super) async fn set_full(&self, full: bool) -> Outcome {
        self.tell(&["CONFIG", "SET", "maxmemory", if full { "1" } else { "0" }]).await
    }

    pub(super) async fn set_connections(&mut self, max: Option<usize>) -> Outcome {
        let Some(max) = max else {
            let mut way_in = self.way_in.take().ok_or("the bound is not set")?;
            ask(&mut way_in.0, &["CONFIG", "SET", "maxclients", "10000"]).await?;
            return Ok(());
        };
        let mut connection = connect(&self.server).await?;
        // One more: the way in.
        ask(&mut connection, &["CONFIG", "SET", "maxclients", &(max + 1).to_string()]).await?;
        ask(&mut connection, &["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]).await?;
        self.way_in = Some(Connection(connection));
        Ok(())
    }

    /// As a copy of a primary that is gone: it keeps its data.
    pub(super) async fn set_read_only(&self, read_only: bool) -> Outcome {
        let (host, port) = if read_only { ("127.0.0.1", "1") } else { ("NO", "ONE") };
        self.tell(&["REPLICAOF", host, port]).await
    }
}

async fn connect(server: &RedisServer) -> Outcome<MultiplexedConnection> {
    let client = redis::Client::open(server.url())?;
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

async fn ask(connection: &mut MultiplexedConnection, words: &[&str]) -> Outcome<Value> {
    Ok(redis::cmd(words[0]).arg(&words[1..]).query_async(connection).await?)
}

/// A copy is not to wait for others to be made beside it.
async fn server(clocked: bool) -> RedisServer {
    let settings = ["--repl-diskless-sync-delay", "0"];
    let server = RedisServer::start_with(&settings).await;
    if clocked {
        server.give_clock();
        server.kill9();
        server.restart().await;
    }
    server
}
