//! The conformance suite on the Redis backend, with a real server.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::servers;
use docket_conformance::Factory;
use docket_core::{DocketName, TestStore};
use docket_redis::{Options, RedisBackend};

struct Redis;

#[async_trait]
impl Factory for Redis {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        let url = servers::redis_url().await;
        let backend = RedisBackend::connect(&url, docket, Options::default()).await;
        Arc::new(backend.expect("the test server answers"))
    }

    async fn leftovers(&self, docket: &DocketName) -> Vec<String> {
        let client = redis::Client::open(servers::redis_url().await).expect("the suite found this URL");
        // Without the client's response timeout of half a second: a busy machine may take longer, and a case has its own.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.expect("the test server answers");
        let prefix = format!("docket:{{{docket}}}:");
        let mut keys = scan(&mut connection, &format!("{prefix}*")).await;
        // These survive a clear: the counters and the clock.
        keys.retain(|key| *key != format!("{prefix}meta"));
        keys
    }
}

/// All keys that match, by SCAN: KEYS would block the server for everybody.
async fn scan(connection: &mut redis::aio::MultiplexedConnection, pattern: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), 0_u64);
    loop {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
        let (next, keys): (u64, Vec<String>) = command.query_async(connection).await.expect("keys can be scanned");
        found.extend(keys);
        if next == 0 {
            return found;
        }
        cursor = next;
    }
}

docket_conformance::suite!(Redis);
