//! What a figure is taken on: a store of its own, a client, and workers.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::RedisServer;
use docket_core::{Client, DocketName, Registry, Settings, Store, Worker};
use docket_memory::MemoryBackend;
use docket_redis::{Options, RedisBackend};
use redis::aio::MultiplexedConnection;

use crate::Outcome;
use crate::jobs::{Hold, Note, Starts};

/// One docket on one store.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    pub(crate) starts: Arc<Starts>,
    server: Option<RedisServer>,
}

impl Stage {
    /// In this process.
    pub(crate) fn memory() -> Self {
        Self::on("memory", Arc::new(MemoryBackend::new(DocketName::default())), None)
    }

    /// On a Redis of its own.
    pub(crate) async fn redis() -> Outcome<Self> {
        let server = RedisServer::start_with(&["--appendfsync", "everysec"]).await;
        let store = open(&server.url(), DocketName::default()).await?;
        Ok(Self::on("redis", store, Some(server)))
    }

    fn on(name: &'static str, store: Arc<dyn Store>, server: Option<RedisServer>) -> Self {
        Self { name, client: Client::new(store), starts: Arc::default(), server }
    }

    /// Where other processes find the store.
    pub(crate) fn url(&self) -> Outcome<String> {
        Ok(self.server.as_ref().ok_or("this store lives in one process")?.url())
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
