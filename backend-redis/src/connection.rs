//! Connections: opened late, bounded in everything, dropped when they cannot be trusted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use docket_core::{Result, ShownUrl, UrlSource};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisError, ServerErrorKind, Value};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::Options;
use crate::call::Call;
use crate::error::{describe, meaning_of, unanswered};
use crate::url::Address;

/// How long a connection may be silent after a caller dropped its call; then it is closed.
const SILENT_MAX: Duration = Duration::from_millis(250);

/// A server to open connections to.
pub(crate) struct Server {
    client: Mutex<redis::Client>,
    /// The source of the address, read again for each connection, if it may change.
    url: Option<UrlSource>,
    /// The URL as errors show it.
    pub(crate) address: ShownUrl,
    pub(crate) options: Options,
}

impl Server {
    pub(crate) fn new(address: &Address, options: Options) -> Result<Self> {
        let shown = address.shown.clone();
        let client =
            redis::Client::open(address.info.clone()).map_err(|e| describe(e, "prepare the connection", &shown))?;
        Ok(Self { client: Mutex::new(client), url: None, address: shown, options })
    }

    /// A server whose address is at `url`, and its current value.
    pub(crate) fn at(url: UrlSource, options: Options) -> Result<(Self, Address)> {
        let address = Address::parse(&url.read()?)?;
        let server = Self { url: url.may_change().then_some(url), ..Self::new(&address, options)? };
        Ok((server, address))
    }

    /// The options to connect with now.
    fn client(&self) -> redis::Client {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = &self.url {
            let opened = url.read().and_then(|text| Address::parse(&text)).and_then(|address| {
                let shown = address.shown.clone();
                redis::Client::open(address.info).map_err(|e| describe(e, "prepare the connection", &shown))
            });
            // Half written, or missing for a moment: the last value may still work.
            match opened {
                Ok(opened) => *client = opened,
                Err(error) => {
                    tracing::warn!(?error, "the store URL cannot be read again; connecting with the last one");
                }
            }
        }
        client.clone()
    }

    /// Opens a connection whose answers may take as long as the caller's own deadline allows.
    ///
    /// One deadline covers the whole handshake, so that a peer that accepts and never answers costs
    /// no more.
    pub(crate) async fn open(&self) -> Result<MultiplexedConnection> {
        // The driver's own default is 500 ms for every answer, blocking reads included; deadlines are ours here.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = self.client();
        match timeout(self.options.connect, client.get_multiplexed_async_connection_with_config(&config)).await {
            Ok(opened) => opened.map_err(|e| describe(e, "connect to the store", &self.address)),
            Err(_) => Err(unanswered("connect to the store", &self.address)),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("options", &self.options).finish_non_exhaustive()
    }
}

/// One connection for commands, shared by concurrent calls, opened by the first and reopened after
/// a failure.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) server: Arc<Server>,
    open: tokio::sync::Mutex<Slot>,
    /// Connections up to this generation are no longer used; calls that still wait on one keep it
    /// open until they end.
    doubted: Arc<AtomicU64>,
}

#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    /// Grows with each connection, so that a failure closes the connection it happened on and no
    /// later one.
    generation: u64,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("open", &self.connection.is_some()).finish_non_exhaustive()
    }
}

/// How one attempt failed.
struct Failure {
    error: RedisError,
    /// The connection was used before and found broken: a new one may work.
    stale: bool,
}

impl Connection {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server, open: tokio::sync::Mutex::default(), doubted: Arc::default() }
    }

    /// Runs a script.
    ///
    /// Scripts are safe to repeat, so a connection that had died unnoticed costs one transparent repetition.
    pub(crate) async fn script(&self, call: &Call, operation: &'static str) -> Result<Value> {
        self.run(call.command(), Some(call), operation).await
    }

    /// Runs a command that is safe to repeat.
    pub(crate) async fn command(&self, cmd: &Cmd, operation: &'static str) -> Result<Value> {
        self.run(cmd, None, operation).await
    }

    async fn run(&self, cmd: &Cmd, script: Option<&Call>, operation: &'static str) -> Result<Value> {
        let deadline = self.server.options.connect + self.server.options.response;
        let tries = async {
            match self.try_once(cmd, script).await? {
                Err(failure) if failure.stale => match self.try_once(cmd, script).await? {
                    Err(failure) => Err(describe(failure.error, operation, &self.server.address)),
                    Ok(value) => Ok(value),
                },
                Err(failure) => Err(describe(failure.error, operation, &self.server.address)),
                Ok(value) => Ok(value),
            }
        };
        timeout(deadline, tries).await.unwrap_or_else(|_| Err(unanswered(operation, &self.server.address)))
    }

    async fn try_once(&self, cmd: &Cmd, script: Option<&Call>) -> Result<Result<Value, Failure>> {
        let (mut connection, generation, reused) = self.connection().await?;
        let doubt = Doubt {
            doubted: self.doubted.clone(),
            generation,
            connection: connection.clone(),
            sent_at: Instant::now(),
            over: false,
        };
        let answer = timeout(self.server.options.response, send(&mut connection, cmd, script)).await;
        let error = match answer {
            Ok(Ok(value)) => {
                doubt.dispel();
                return Ok(Ok(value));
            }
            Ok(Err(error)) => error,
            Err(_) => std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        };
        if meaning_of(&error).drop_connection {
            doubt.confirm();
        } else {
            doubt.dispel();
        }
        let stale = reused && error.is_connection_dropped();
        Ok(Err(Failure { error, stale }))
    }

    /// The open connection, or a new one. A caller that waits here for another's connect is bounded
    /// by its own deadline.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64, bool)> {
        let mut slot = self.open.lock().await;
        if slot.generation > self.doubted.load(Ordering::Acquire)
            && let Some(connection) = &slot.connection
        {
            return Ok((connection.clone(), slot.generation, true));
        }
        slot.connection = None;
        let connection = self.server.open().await?;
        slot.generation += 1;
        slot.connection = Some(connection.clone());
        Ok((connection, slot.generation, false))
    }
}

/// Distrusts a connection unless its answer came, also when the caller is dropped before its
/// deadline: a caller with a shorter deadline would otherwise use a silently dead connection again
/// and again.
///
/// A caller that leaves early says nothing about the connection, which others share, and which
/// answers in order. So after the dropped call the connection is asked whether it still answers.
struct Doubt {
    doubted: Arc<AtomicU64>,
    generation: u64,
    connection: MultiplexedConnection,
    sent_at: Instant,
    /// Whether there was any answer.
    over: bool,
}

impl Doubt {
    fn dispel(mut self) {
        self.over = true;
    }

    fn confirm(mut self) {
        self.over = true;
        self.doubted.fetch_max(self.generation, Ordering::AcqRel);
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let left = SILENT_MAX.saturating_sub(self.sent_at.elapsed());
        let (doubted, generation, mut connection) = (self.doubted.clone(), self.generation, self.connection.clone());
        match Handle::try_current() {
            Ok(runtime) if !left.is_zero() => {
                runtime.spawn(async move {
                    if !answers(&mut connection, left).await {
                        doubted.fetch_max(generation, Ordering::AcqRel);
                    }
                });
            }
            _ => {
                doubted.fetch_max(generation, Ordering::AcqRel);
            }
        }
    }
}

/// Whether a connection answers in this time, and thereby everything sent before.
async fn answers(connection: &mut MultiplexedConnection, within: Duration) -> bool {
    match timeout(within, redis::cmd("PING").query_async::<Value>(connection)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => !meaning_of(&error).drop_connection,
        Err(_) => false,
    }
}

/// Sends by hash. A server that does not know the script (restarted, flushed) gets its text
/// together with the call, so that it cannot forget the script before the call.
async fn send(
    connection: &mut MultiplexedConnection,
    cmd: &Cmd,
    script: Option<&Call>,
) -> std::result::Result<Value, RedisError> {
    let first = cmd.query_async(connection).await;
    match (first, script) {
        (Err(error), Some(call)) if error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript) => {
            call.with_text().query_async(connection).await
        }
        (first, _) => first,
    }
}

/// A connection for blocking reads. Its owner never drops a read, so everything it takes off a list
/// is delivered.
pub(crate) async fn blocking_read(
    connection: &mut MultiplexedConnection,
    lists: &[String],
    block: Duration,
    margin: Duration,
) -> std::result::Result<Option<(String, String)>, RedisError> {
    let mut cmd = redis::cmd("BLPOP");
    for list in lists {
        cmd.arg(list);
    }
    // Zero would wait forever, and the server counts whole milliseconds: rounding down would cost
    // one more poll and read.
    let millis = block.as_micros().div_ceil(1_000).max(1);
    cmd.arg(format!("{}.{:03}", millis / 1_000, millis % 1_000));
    match timeout(block + margin, cmd.query_async::<Option<(String, String)>>(connection)).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
