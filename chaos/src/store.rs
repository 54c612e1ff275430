//! The stores: real servers of our own, and the faults they can have.

use std::sync::Arc;

use clap::ValueEnum;
use docket_core::{DocketName, Store};
use docket_postgres::PostgresBackend;
use docket_redis::RedisBackend;
use serde::{Deserialize, Serialize};

use crate::Outcome;

mod memory;
mod postgres;
mod redis;

pub use memory::Memory;
pub use postgres::Postgres;
pub use redis::Redis;

/// The kinds of store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In the process.
    Memory,
    /// A `redis-server`.
    Redis,
    /// A `postgres`.
    Postgres,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The docket on the server at `url`, with its default settings.
pub async fn open(url: &str, docket: DocketName) -> Outcome<Arc<dyn Store>> {
    Ok(if url.starts_with("postgres") {
        Arc::new(PostgresBackend::connect(url, docket, docket_postgres::Options::default()).await?)
    } else {
        Arc::new(RedisBackend::connect(url, docket, docket_redis::Options::default()).await?)
    })
}

/// A server, and the copy that may take over.
#[derive(Debug)]
pub enum Server {
    /// None: the store is in this process.
    Memory(Memory),
    /// A Redis that syncs every write.
    Redis(Redis),
    /// A Postgres that syncs every commit.
    Postgres(Postgres),
}

impl Server {
    /// Starts one; `clocked`, its clock can be moved, where that can be done.
    pub async fn start(kind: Kind, docket: &DocketName, clocked: bool) -> Outcome<Self> {
        Ok(match kind {
            Kind::Memory => Self::Memory(Memory::start(docket.clone())?),
            Kind::Redis => Self::Redis(Redis::start(clocked).await),
            Kind::Postgres => Self::Postgres(Postgres::start(clocked).await?),
        })
    }

    /// The docket on it.
    pub async fn open(&self, docket: &DocketName) -> Outcome<Arc<dyn Store>> {
        match self {
            Self::Memory(memory) => Ok(memory.store()),
            _ => open(&self.url(), docket.clone()).await,
        }
    }

    /// Where services find it.
    pub fn url(&self) -> String {
        match self {
            Self::Memory(_) => "memory://".to_owned(),
            Self::Redis(redis) => redis.url(),
            Self::Postgres(postgres) => postgres.url(),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        match self {
            Self::Memory(_) => 0,
            Self::Redis(redis) => redis.port(),
            Self::Postgres(postgres) => postgres.port(),
        }
    }

    /// Kills it.
    pub fn kill(&self) {
        match self {
            Self::Memory(_) => {}
            Self::Redis(redis) => redis.kill(),
            Self::Postgres(postgres) => postgres.kill(),
        }
    }

    /// Starts it again, on the same port and data.
    pub async fn restart(&self) {
        match self {
            Self::Memory(_) => {}
            Self::Redis(redis) => redis.restart().await,
            Self::Postgres(postgres) => postgres.restart().await,
        }
    }

    /// Creates a copy, and cuts it off from later writes.
    pub async fn copy(&mut self) -> Outcome {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.copy().await,
            Self::Postgres(postgres) => postgres.copy().await,
        }
    }

    /// Kills the server; the copy takes over.
    pub async fn fail_over(&mut self) -> Outcome {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.fail_over(),
            Self::Postgres(postgres) => postgres.fail_over().await,
        }
    }

    /// Takes the room away, or gives it back.
    pub async fn set_full(&self, full: bool) -> Outcome {
        match self {
            Self::Memory(memory) => memory.set_full(full).await,
            Self::Redis(redis) => redis.set_full(full).await,
            Self::Postgres(postgres) => {
                postgres.set_full(full);
                Ok(())
            }
        }
    }

    /// Bounds its connections, and ends those it has; without a bound, all is as before.
    pub async fn set_connections(&mut self, max: Option<usize>) -> Outcome {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.set_connections(max).await,
            Self::Postgres(postgres) => postgres.set_connections(max).await,
        }
    }

    /// Refuses writes, or takes them again.
    pub async fn set_read_only(&self, read_only: bool) -> Outcome {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.set_read_only(read_only).await,
            Self::Postgres(postgres) => postgres.set_read_only(read_only).await,
        }
    }

    /// Moves its clock, if possible: by this many seconds relative to the machine's.
    pub fn set_clock(&self, ahead_seconds: i64) {
        match self {
            Self::Memory(_) => {}
            Self::Redis(redis) => redis.set_clock(ahead_seconds),
            Self::Postgres(postgres) => postgres.set_clock(ahead_seconds),
        }
    }

    /// Forgets its scripts, where it has some.
    pub async fn forget_scripts(&self) -> Outcome {
        match self {
            Self::Memory(_) | Self::Postgres(_) => Ok(()),
            Self::Redis(redis) => redis.tell(&["SCRIPT", "FLUSH"]).await,
        }
    }
}
