//! A Postgres that syncs every commit. Services use a role of their own, so that its connections can be bounded.

use std::time::Duration;

use conformance_tests::servers::PostgresServer;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::Outcome;

/// The size of its disk: its writes between two checkpoints fit several times.
const DISK_MIB: usize = 512;
/// How long a reload or a promotion may take.
const SOON: Duration = Duration::from_secs(20);

/// The server and its copy.
#[derive(Debug)]
pub struct Postgres {
    server: PostgresServer,
    /// Whether its clock can be moved.
    clocked: bool,
    copy: Option<PostgresServer>,
}

impl Postgres {
    pub(super) async fn start(clocked: bool) -> Outcome<Self> {
        let server = PostgresServer::start_on_small_disk(DISK_MIB).await;
        let settings = [
            "CREATE ROLE service LOGIN",
            "GRANT CREATE ON DATABASE postgres TO service",
            "ALTER SYSTEM SET max_wal_size = '128MB'",
            "SELECT pg_reload_conf()",
        ];
        tell(&server, &settings).await?;
        if clocked {
            give_clock(&server).await;
        }
        Ok(Self { server, clocked, copy: None })
    }

    pub(super) fn url(&self) -> String {
        self.server.url().replace("postgres://postgres@", "postgres://service@")
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

    /// A standby that has everything up to now, and receives nothing from now on.
    pub(super) async fn copy(&mut self) -> Outcome {
        let copy = self.server.standby_on_small_disk(DISK_MIB).await;
        tell(&copy, &["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"]).await?;
        until(&copy, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)").await?;
        self.copy = Some(copy);
        Ok(())
    }

    pub(super) async fn fail_over(&mut self) -> Outcome {
        self.server.kill9();
        self.server = self.copy.take().ok_or("there is no copy")?;
        if self.clocked {
            give_clock(&self.server).await;
        }
        tell(&self.server, &["SELECT pg_promote()"]).await?;
        until(&self.server, "SELECT NOT pg_is_in_recovery()").await
    }

    pub(super) fn set_full(&self, full: bool) {
        if full {
            self.server.fill_disk();
        } else {
            self.server.free_disk();
        }
    }

    pub(super) async fn set_connections(&self, max: Option<usize>) -> Outcome {
        let limit = max.map_or("-1".to_owned(), |max| max.to_string());
        tell(&self.server, &[&format!("ALTER ROLE service CONNECTION LIMIT {limit}")]).await?;
        if max.is_some() { self.end_connections().await } else { Ok(()) }
    }

    pub(super) async fn set_read_only(&self, read_only: bool) -> Outcome {
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}");
        tell(&self.server, &[&set, "SELECT pg_reload_conf()"]).await?;
        let known = format!("SELECT current_setting('default_transaction_read_only')::bool = {read_only}");
        until(&self.server, &known).await?;
        self.end_connections().await
    }

    /// As a failover does, so that nobody goes on with an outdated state.
    async fn end_connections(&self) -> Outcome {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'service'";
        tell(&self.server, &[end]).await
    }
}

async fn give_clock(server: &PostgresServer) {
    server.give_clock();
    server.kill9();
    server.restart().await;
}

async fn tell(server: &PostgresServer, statements: &[&str]) -> Outcome {
    let mut connection = PgConnection::connect(&server.url()).await?;
    sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut connection).await?;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// Asks on a new connection each time, until the answer is yes.
async fn until(server: &PostgresServer, question: &str) -> Outcome {
    let asking = async {
        loop {
            let mut connection = PgConnection::connect(&server.url()).await?;
            let yes: bool = sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(&mut connection).await?;
            if yes {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, asking).await.map_err(|_| format!("not soon enough: {question}"))?
}
