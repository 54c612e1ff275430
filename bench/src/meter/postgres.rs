//! Postgres' counters: its log's position, `pg_stat_statements` if loaded, and its processes.

use sqlx::{Connection as _, PgConnection};

use super::{Look, process};
use crate::Outcome;

/// Statements by level: those sent, and those inside functions; and the polls for tasks, of both
/// sides.
const STATEMENTS: &str = "SELECT coalesce(sum(calls) FILTER (WHERE toplevel), 0)::float8, \
    coalesce(sum(calls) FILTER (WHERE NOT toplevel), 0)::float8, \
    coalesce(sum(calls) FILTER (WHERE toplevel AND (query LIKE '%\"docket\".lease(%' OR query LIKE '%UPDATE floor.task%RETURNING t.key%')), 0)::float8 \
    FROM pg_stat_statements WHERE query NOT LIKE '%/* a look */%'";

pub(crate) struct Meter {
    connection: PgConnection,
    /// The process whose children the server is.
    server: i32,
    has_statements: bool,
}

impl Meter {
    pub(super) async fn on(url: &str) -> Outcome<Self> {
        let mut connection = PgConnection::connect(url).await?;
        let backend: i32 =
            sqlx::query_scalar("/* a look */ SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let loaded = "/* a look */ SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'";
        let loaded: i64 = sqlx::query_scalar(loaded).fetch_one(&mut connection).await?;
        Ok(Self { server: process::parent(backend)?, connection, has_statements: loaded > 0 })
    }

    pub(super) async fn look(&mut self) -> Outcome<Look> {
        let place = "/* a look */ SELECT (pg_current_wal_insert_lsn() - '0/0')::float8, \
                     pg_database_size(current_database())::float8";
        let (log, stored): (f64, f64) = sqlx::query_as(place).fetch_one(&mut self.connection).await?;
        let (sent, inside, looks) = if self.has_statements {
            sqlx::query_as(sqlx::AssertSqlSafe(format!("/* a look */ {STATEMENTS}")))
                .fetch_one(&mut self.connection)
                .await?
        } else {
            (0.0, 0.0, 0.0)
        };
        Ok(Look { cpu: process::family_cpu(self.server)?, sent, inside, looks, log: Some(log), stored })
    }
}
