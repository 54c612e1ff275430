//! One connection, and how it runs a statement.

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use crate::Pooler;
use crate::server::Server;

/// One open connection, ours or from a pool of the service.
pub(crate) enum Link {
    Own(PgConnection),
    Pooled(PoolConnection<Postgres>),
}

impl Link {
    /// Runs one statement, as a transaction of its own.
    pub(crate) async fn run(
        &mut self,
        server: &Server,
        sql: AssertSqlSafe<Arc<str>>,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let connection = match self {
            Self::Own(own) => own,
            Self::Pooled(pooled) => &mut **pooled,
        };
        let query = server.query(sql, arguments);
        match server.options.pooler {
            Pooler::None => query.fetch_all(connection).await,
            Pooler::Transaction => {
                // The statement and its preparation must reach the same server.
                let mut transaction = server.begin(connection).await?;
                let answer = query.fetch_all(&mut *transaction).await;
                match answer {
                    Ok(rows) => transaction.commit().await.map(|()| rows),
                    Err(error) => {
                        // Now: until then the pooler reserves the server for us. Safe to lose: the
                        // pooler notices when we are gone.
                        let _ = transaction.rollback().await;
                        Err(error)
                    }
                }
            }
        }
    }
}
