//! The stores that figures are taken on: servers of our own, so that nobody else's work is measured.

use std::fmt;
use std::sync::Arc;

use conformance_tests::servers::{PostgresServer, RedisServer};
use docket_core::{DocketName, Store};
use docket_memory::MemoryBackend;
use docket_postgres::PostgresBackend;
use docket_redis::RedisBackend;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::Outcome;

/// The kinds of store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Memory,
    Redis,
    Postgres,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Redis, Self::Postgres];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        })
    }
}

/// A store that runs until the last handle is gone.
#[derive(Clone)]
pub(crate) enum Server {
    Memory,
    Redis(Arc<RedisServer>),
    Postgres(Arc<PostgresServer>),
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::Memory,
            // The log is written as it comes and synced every second; it is not rewritten in the middle of a figure.
            Kind::Redis => {
                let settings = ["--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"];
                Self::Redis(Arc::new(RedisServer::start_with(&settings).await))
            }
            Kind::Postgres => Self::Postgres(Arc::new(PostgresServer::start().await)),
        }
    }

    /// The same, with counters of its statements: Redis always has them, Postgres if an extension
    /// is loaded at its start.
    pub(crate) async fn start_counting(kind: Kind) -> Outcome<Self> {
        let server = Self::start(kind).await;
        if let Self::Postgres(postgres) = &server {
            let library = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'";
            tell(&server.url(), &["CREATE EXTENSION pg_stat_statements", library]).await?;
            postgres.kill9();
            postgres.restart().await;
            // Known to it only now.
            tell(&server.url(), &["ALTER SYSTEM SET pg_stat_statements.track = 'all'", "SELECT pg_reload_conf()"])
                .await?;
        }
        Ok(server)
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Memory => Kind::Memory,
            Self::Redis(_) => Kind::Redis,
            Self::Postgres(_) => Kind::Postgres,
        }
    }

    /// Where it is found; `memory` is every process's own.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Memory => "memory://".to_owned(),
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
        }
    }

    /// The docket that every figure is taken on.
    pub(crate) async fn docket(&self) -> Outcome<Arc<dyn Store>> {
        open(&self.url(), DocketName::default()).await
    }
}

/// Docket on the store at `url`, with its default settings.
pub(crate) async fn open(url: &str, docket: DocketName) -> Outcome<Arc<dyn Store>> {
    Ok(match scheme(url)? {
        Kind::Memory => {
            let options = docket_memory::Options { max_tasks: 4_000_000, ..docket_memory::Options::default() };
            Arc::new(MemoryBackend::with_options(docket, options)?)
        }
        Kind::Redis => Arc::new(RedisBackend::connect(url, docket, docket_redis::Options::default()).await?),
        Kind::Postgres => Arc::new(PostgresBackend::connect(url, docket, docket_postgres::Options::default()).await?),
    })
}

pub(crate) fn scheme(url: &str) -> Outcome<Kind> {
    let kind = match url.split(':').next() {
        Some("memory") => Kind::Memory,
        Some("redis") => Kind::Redis,
        Some("postgres" | "postgresql") => Kind::Postgres,
        _ => return Err(format!("unknown store {url}: redis, postgres or memory").into()),
    };
    Ok(kind)
}

/// Hands out stores with nothing in them.
#[derive(Default)]
pub(crate) struct Servers {
    /// Making a Postgres takes seconds, so one serves all.
    postgres: Option<Server>,
}

impl Servers {
    /// A store of this kind with nothing in it.
    pub(crate) async fn empty(&mut self, kind: Kind) -> Outcome<Server> {
        if kind != Kind::Postgres {
            return Ok(Server::start(kind).await);
        }
        if let Some(server) = &self.postgres {
            clean(&server.url()).await?;
            return Ok(server.clone());
        }
        let server = Server::start(kind).await;
        self.postgres = Some(server.clone());
        Ok(server)
    }
}

async fn tell(url: &str, statements: &[&'static str]) -> Outcome {
    let mut connection = PgConnection::connect(url).await?;
    for statement in statements {
        sqlx::raw_sql(*statement).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// Drops every schema that was created, and flushes the disk.
async fn clean(url: &str) -> Outcome {
    let mut connection = PgConnection::connect(url).await?;
    let schemas: Vec<String> = sqlx::query_scalar(
        "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$)'",
    )
    .fetch_all(&mut connection)
    .await?;
    for schema in schemas {
        sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA \"{schema}\" CASCADE"))).execute(&mut connection).await?;
    }
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await?;
    Ok(connection.close().await?)
}
