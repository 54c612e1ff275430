//! What a figure is taken on: a store of its own, a client, and workers.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::{PostgresServer, RedisServer};
use docket_core::{Client, DocketName, Registry, Settings, Store, Worker};
use docket_memory::MemoryBackend;
use docket_postgres::PostgresBackend;
use docket_redis::{Options, RedisBackend};
use redis::aio::MultiplexedConnection;

use crate::Outcome;
use crate::jobs::{Hold, Note, Starts};

/// One docket on one store.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    pub(crate) starts: Arc<Starts>,
    server: Server,
}

/// What keeps the store alive.
enum Server {
    None,
    Redis(RedisServer),
    Postgres {
        #[expect(dead_code, reason = "it ends when it is dropped")]
        server: PostgresServer,
    },
}

impl Stage {
    /// One on each store, one after the other.
    pub(crate) async fn each() -> Outcome<[Self; 3]> {
        Ok([Self::memory(), Self::redis().await?, Self::postgres().await?])
    }

    /// In this process.
    fn memory() -> Self {
        Self::on("memory", Arc::new(MemoryBackend::new(DocketName::default())), Server::None)
    }

    /// On a Redis of its own.
    pub(crate) async fn redis() -> Outcome<Self> {
        let server = RedisServer::start_with(&["--appendfsync", "everysec"]).await;
        let store = open(&server.url(), DocketName::default()).await?;
        Ok(Self::on("redis", store, Server::Redis(server)))
    }

    /// On a Postgres of its own, which waits for its disk at every commit.
    async fn postgres() -> Outcome<Self> {
        let server = PostgresServer::start().await;
        let options = docket_postgres::Options::default();
        let store = PostgresBackend::connect(&server.url(), DocketName::default(), options).await?;
        Ok(Self::on("postgres", Arc::new(store), Server::Postgres { server }))
    }

    fn on(name: &'static str, store: Arc<dyn Store>, server: Server) -> Self {
        Self { name, client: Client::new(store), starts: Arc::default(), server }
    }

    /// Where other processes find the Redis.
    pub(crate) fn url(&self) -> Outcome<String> {
        match &self.server {
            Server::Redis(server) => Ok(server.url()),
            Server::None | Server::Postgres { .. } => Err("this figure is taken on Redis".into()),
        }
    }

    /// A connection to the server that has nothing to do with the backend's.
    pub(crate) async fn connection(&self) -> Outcome<MultiplexedConnection> {
        Ok(redis::Client::open(self.url()?)?.get_multiplexed_async_connection().await?)
    }

    pub(crate) fn worker(&self, settings: Settings) -> docket_core::Result<Worker> {
        worker_on(self.client.store().clone(), self.starts.clone(), settings)
    }
}

pub(crate) async fn open(url: &str, docket: DocketName) -> docket_core::Result<Arc<dyn Store>> {
    Ok(Arc::new(RedisBackend::connect(url, docket, Options::default()).await?))
}

pub(crate) fn worker_on(store: Arc<dyn Store>, starts: Arc<Starts>, settings: Settings) -> docket_core::Result<Worker> {
    let mut registry = Registry::new();
    registry.register::<Note>()?.register::<Hold>()?;
    Worker::builder(store).registry(registry).share(starts).settings(settings).build()
}

/// The value that `percent` of 100 values do not exceed.
pub(crate) fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    values[(values.len() * percent).div_ceil(100).saturating_sub(1)]
}
