//! The stores that the scenes are played on.

use std::sync::Arc;

use conformance_tests::servers::{PostgresServer, RedisServer, postgres_url, redis_url};
use docket_core::{DocketName, Store, TestStore};
use docket_memory::MemoryBackend;
use docket_postgres::PostgresBackend;
use docket_redis::RedisBackend;
use futures_util::future::join_all;
use sqlx::{Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use crate::scene::{SOON, eventually};

/// A kind of store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Memory,
    Redis,
    Postgres,
}

pub(crate) const ALL: [Kind; 3] = [Kind::Memory, Kind::Redis, Kind::Postgres];
/// Those with a server.
pub(crate) const SERVED: [Kind; 2] = [Kind::Redis, Kind::Postgres];

impl Kind {
    /// The shared server's.
    ///
    /// # Panics
    ///
    /// For memory, which has none.
    pub(crate) async fn url(self) -> String {
        match self {
            Self::Memory => panic!("memory has no server"),
            Self::Redis => redis_url().await,
            Self::Postgres => postgres_url().await,
        }
    }

    /// A docket of this kind whose clock can be set.
    pub(crate) async fn clocked(self, case: &str) -> Arc<dyn TestStore> {
        let docket = docket(case);
        match self {
            Self::Memory => Arc::new(MemoryBackend::new(docket)),
            Self::Redis => Arc::new(redis(&self.url().await, docket).await),
            Self::Postgres => Arc::new(postgres(&self.url().await, docket).await),
        }
    }
}

/// Plays one scene on several stores, at the same time.
pub(crate) async fn on_kinds(kinds: &[Kind], play: impl AsyncFn(Kind)) {
    join_all(kinds.iter().map(|kind| play(*kind))).await;
}

pub(crate) fn docket(case: &str) -> DocketName {
    DocketName::new(format!("incident.{case}.{}", Uuid::now_v7().simple())).unwrap()
}

/// The docket on the server of this URL.
pub(crate) async fn open(url: &str, docket: &DocketName) -> Arc<dyn Store> {
    if url.starts_with("postgres") {
        Arc::new(postgres(url, docket.clone()).await)
    } else {
        Arc::new(redis(url, docket.clone()).await)
    }
}

async fn redis(url: &str, docket: DocketName) -> RedisBackend {
    RedisBackend::connect(url, docket, docket_redis::Options::default()).await.unwrap()
}

async fn postgres(url: &str, docket: DocketName) -> PostgresBackend {
    PostgresBackend::connect(url, docket, docket_postgres::Options::default()).await.unwrap()
}

/// A server of one scene alone.
pub(crate) enum Server {
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Memory => panic!("memory has no server"),
            Kind::Redis => Self::Redis(RedisServer::start().await),
            Kind::Postgres => Self::Postgres(PostgresServer::start().await),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
        }
    }

    pub(crate) fn kill9(&self) {
        match self {
            Self::Redis(server) => server.kill9(),
            Self::Postgres(server) => server.kill9(),
        }
    }

    pub(crate) async fn restart(&self) {
        match self {
            Self::Redis(server) => server.restart().await,
            Self::Postgres(server) => server.restart().await,
        }
    }

    /// A copy that accepts no write. It keeps its data, so nothing is lost by it.
    pub(crate) async fn turn_read_only(&self) {
        match self {
            // Of a primary that is nowhere.
            Self::Redis(server) => command(server, &["REPLICAOF", "127.0.0.1", "1"]).await,
            Self::Postgres(server) => set_read_only(server, "on").await,
        }
    }

    pub(crate) async fn turn_writable(&self) {
        match self {
            Self::Redis(server) => command(server, &["REPLICAOF", "NO", "ONE"]).await,
            Self::Postgres(server) => set_read_only(server, "off").await,
        }
    }

    /// Loses all that was in it.
    pub(crate) async fn empty(&self) {
        match self {
            Self::Redis(server) => {
                command(server, &["FLUSHALL"]).await;
                command(server, &["SCRIPT", "FLUSH"]).await;
            }
            Self::Postgres(server) => {
                let tables = "docket.task, docket.request, docket.worker, docket.waiter, docket.tally, docket.meta";
                tell(server, &[&format!("TRUNCATE {tables}")]).await;
            }
        }
    }
}

/// As a fail-over does, it ends the connections that knew it otherwise.
async fn set_read_only(server: &PostgresServer, switch: &str) {
    let set = format!("ALTER SYSTEM SET default_transaction_read_only = {switch}");
    tell(server, &[&set, "SELECT pg_reload_conf()"]).await;
    eventually("new connections know it", SOON, async || {
        let mut connection = PgConnection::connect(&server.url()).await.unwrap();
        let query = "SELECT current_setting('default_transaction_read_only')";
        let now: String = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
        (now == switch).then_some(())
    })
    .await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'docket'";
    tell(server, &[end]).await;
}

/// Sends one command to the server itself.
pub(crate) async fn command(server: &RedisServer, words: &[&str]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async::<redis::Value>(&mut connection).await.unwrap();
}

/// Sends statements to the server itself.
pub(crate) async fn tell(server: &PostgresServer, statements: &[&str]) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    for statement in statements {
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe((*statement).to_owned()))).await.unwrap();
    }
}
