//! A server, and how its connections are opened and used.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use docket_core::{Result, ShownUrl, UrlSource};
use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::{OnceCell, watch};
use tokio::time::{Instant, timeout};

use crate::link::Link;
use crate::statements::{Statement, Statements};
use crate::url::Address;
use crate::{Options, Pooler};

/// A server to connect to, and the schema on it.
pub(crate) struct Server {
    connect: Mutex<PgConnectOptions>,
    /// Connections that have not answered since then are no longer used.
    doubted: watch::Sender<Option<Instant>>,
    /// The source of the address, read again for each connection, if it may change.
    url: Option<UrlSource>,
    /// The URL as errors show it.
    pub(crate) address: ShownUrl,
    pub(crate) options: Options,
    pub(crate) statements: Statements,
    begin: Statement,
    /// A pool that the service made.
    pool: Option<PgPool>,
    /// Set once the schema has been checked.
    pub(crate) ready: OnceCell<()>,
}

impl Server {
    pub(crate) fn new(address: &Address, pool: Option<PgPool>, mut options: Options) -> Result<Self> {
        if address.pooler == Pooler::Transaction {
            options.pooler = Pooler::Transaction;
        }
        options.check()?;
        let timeout_ms = options.response.as_millis().to_string();
        let connect = Mutex::new(tune(address, &options));
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {timeout_ms}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            options.silence_max().as_millis().max(1)
        );
        Ok(Self {
            connect,
            doubted: watch::Sender::new(None),
            url: None,
            address: address.shown.clone(),
            statements: Statements::new(&options.schema),
            begin: Statement::new(&begin, &options.schema),
            options,
            pool,
            ready: OnceCell::new(),
        })
    }

    /// A server whose address is at `url`, and its current value.
    pub(crate) fn at(url: UrlSource, options: Options) -> Result<(Self, Address)> {
        let address = Address::parse(&url.read()?)?;
        let server = Self { url: url.may_change().then_some(url), ..Self::new(&address, None, options)? };
        Ok((server, address))
    }

    /// Distrusts every connection that has not answered since `asked`: a question of that time was
    /// not answered, and whatever silenced that connection may have silenced the others.
    pub(crate) fn doubt(&self, asked: Instant) {
        self.doubted.send_modify(|doubted| *doubted = (*doubted).max(Some(asked)));
    }

    /// Whether a connection that answered at `heard` may still be used.
    pub(crate) fn trusts(&self, heard: Instant) -> bool {
        self.doubted.borrow().is_none_or(|doubted| heard > doubted)
    }

    /// Waits until a connection that answered at `heard` may no longer be used.
    pub(crate) async fn distrusts(&self, heard: Instant) {
        let doubted = |doubted: &Option<Instant>| doubted.is_some_and(|doubted| heard <= doubted);
        // The sender is ours, so this ends only with the answer.
        let _ = self.doubted.subscribe().wait_for(doubted).await;
    }

    /// The options to connect with now.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        let mut connect = self.connect.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = &self.url {
            // Half written, or missing for a moment: the last value may still work.
            match url.read().and_then(|text| Address::parse(&text)) {
                Ok(address) => *connect = tune(&address, &self.options),
                Err(error) => {
                    tracing::warn!(?error, "the store URL cannot be read again; connecting with the last one");
                }
            }
        }
        connect.clone()
    }

    /// A statement that is prepared and kept, unless a pooler may send it to another server.
    pub(crate) fn query<'q>(
        &self,
        sql: AssertSqlSafe<Arc<str>>,
        arguments: PgArguments,
    ) -> Query<'q, Postgres, PgArguments> {
        sqlx::query_with(sql, arguments).persistent(self.options.pooler == Pooler::None)
    }

    /// Begins a transaction with the deadline of a call, whatever the connection was opened with. A
    /// client that stops within it loses it: its locks would block everybody else.
    pub(crate) async fn begin<'c>(
        &self,
        connection: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
        connection.begin_with(self.begin.sql()).await
    }

    /// Opens a connection of our own. Does not wait longer for a peer that accepts and never
    /// answers.
    pub(crate) async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        match timeout(self.options.connect, self.connect_options().connect()).await {
            Ok(opened) => opened,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// A connection of the service's pool, or one of our own.
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

/// The options of all our connections.
fn tune(address: &Address, options: &Options) -> PgConnectOptions {
    let connect = address.connect.clone().disable_statement_logging();
    let connect = match connect.get_application_name() {
        Some(_) => connect,
        None => connect.application_name("docket"),
    };
    let response_ms = options.response.as_millis().to_string();
    match options.pooler {
        Pooler::None => connect.options([
            ("statement_timeout", response_ms.as_str()),
            // Not the default of a database or a role: each statement of a function must see the
            // latest data.
            ("default_transaction_isolation", "read committed"),
            // The server drops a client that is gone or no longer reads: until then that client may
            // hold locks.
            ("tcp_user_timeout", response_ms.as_str()),
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "1"),
            ("tcp_keepalives_count", "3"),
        ]),
        // A pooler refuses parameters that it cannot set on every server, and prepared statements
        // belong to one server.
        Pooler::Transaction => connect.extra_float_digits(None).statement_cache_capacity(0),
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("options", &self.options).finish_non_exhaustive()
    }
}
