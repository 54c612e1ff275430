//! A server, and how connections to it are opened and used.

use std::fmt;
use std::sync::Arc;

use docket_core::{Result, ShownUrl};
use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::link::Link;
use crate::statements::{Statement, Statements};
use crate::url::Address;
use crate::{Options, Pooler};

/// A server to open connections to, and the schema on it.
pub(crate) struct Server {
    pub(crate) connect: PgConnectOptions,
    /// The URL as errors show it.
    pub(crate) address: ShownUrl,
    pub(crate) options: Options,
    pub(crate) statements: Statements,
    begin: Statement,
    /// A pool that somebody else made.
    pool: Option<PgPool>,
    /// Set once the schema has been looked at.
    pub(crate) ready: OnceCell<()>,
}

impl Server {
    pub(crate) fn new(address: &Address, pool: Option<PgPool>, mut options: Options) -> Result<Self> {
        if address.pooler == Pooler::Transaction {
            options.pooler = Pooler::Transaction;
        }
        options.check()?;
        let timeout_ms = options.response.as_millis().to_string();
        let connect = address.connect.clone().disable_statement_logging();
        let connect = match connect.get_application_name() {
            Some(_) => connect,
            None => connect.application_name("docket"),
        };
        let connect = match options.pooler {
            // Not what a database or a role may have set: each statement of a function must see what is there now.
            Pooler::None => connect.options([
                ("statement_timeout", timeout_ms.as_str()),
                ("default_transaction_isolation", "read committed"),
            ]),
            // A pooler refuses what it cannot give to every server it has, and statements belong to one server.
            Pooler::Transaction => connect.extra_float_digits(None).statement_cache_capacity(0),
        };
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {timeout_ms}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            options.silence_max().as_millis().max(1)
        );
        Ok(Self {
            connect,
            address: address.shown.clone(),
            statements: Statements::new(&options.schema),
            begin: Statement::new(&begin, &options.schema),
            options,
            pool,
            ready: OnceCell::new(),
        })
    }

    /// A statement that is prepared and kept, unless a pooler may give it to another server.
    pub(crate) fn query<'q>(
        &self,
        sql: AssertSqlSafe<Arc<str>>,
        arguments: PgArguments,
    ) -> Query<'q, Postgres, PgArguments> {
        sqlx::query_with(sql, arguments).persistent(self.options.pooler == Pooler::None)
    }

    /// Begins a transaction in which a call's deadline holds, whatever the connection was opened with. A client that stops
    /// in the middle of it loses it: its locks would hold up everybody else.
    pub(crate) async fn begin<'c>(
        &self,
        connection: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
        connection.begin_with(self.begin.sql()).await
    }

    /// Opens a connection of our own. A peer that accepts and never answers is not waited for longer.
    pub(crate) async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        match timeout(self.options.connect, self.connect.connect()).await {
            Ok(opened) => opened,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// One of the pool that we were given, or one of our own.
    pub(crate) async fn open_any(&self) -> Result<Link, sqlx::Error> {
        match &self.pool {
            None => self.open().await.map(Link::Own),
            Some(pool) => match timeout(self.options.connect, pool.acquire()).await {
                Ok(acquired) => acquired.map(Link::Pooled),
                Err(_) => Err(sqlx::Error::PoolTimedOut),
            },
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("options", &self.options).finish_non_exhaustive()
    }
}
