//! A TCP proxy of our own, to be put between a backend and a real Redis or Postgres: faults can be switched on and off
//! while it runs.
//!
//! It reads commands (to tell a connection that waits from one that works, to lose the answer of one), and passes answers
//! through as they are. It speaks plain TCP, so a store behind it is named by a `redis://`, `valkey://` or `postgres://`
//! URL, without TLS.
//!
//! ```ignore
//! let proxy = Proxy::before(&redis_url().await).await;
//! let store = RedisBackend::connect(&proxy.url(), docket, options).await?;
//! proxy.mute_next(1); // the next connection is accepted and never answered
//! ```

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod command;
mod flow;
mod postgres;
mod redis;

use command::Wire;
pub use flow::{Flow, Held, Loss, Then};

/// The fate of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Welcome {
    /// It is carried to the server.
    Carry,
    /// Accepted, and never answered.
    Mute,
    /// Accepted, then reset at once.
    Reset,
    /// Nobody listens.
    Refuse,
    /// Its first packet goes unanswered: the queue of the listening socket is full.
    Drop,
}

/// The rules for every connection, old and new.
#[derive(Clone, PartialEq, Debug)]
struct Rules {
    welcome: Welcome,
    held: Held,
    delay: Duration,
    forget_idle: Option<Duration>,
    /// The answer to every call of the store's functions, instead of running it.
    refusal: Option<String>,
}

/// The proxy. Dropped, it closes everything.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    wire: Wire,
    /// Where the server is, e.g. `localhost:6379`.
    server: Mutex<String>,
    /// The server's URL, in two parts around host and port.
    url: (String, String),
    rules: watch::Sender<Rules>,
    mute_next: AtomicUsize,
    opened: AtomicUsize,
    flows: Mutex<Vec<Flow>>,
    losses: Mutex<Vec<Loss>>,
    stops: Mutex<Vec<Loss>>,
    commands: Mutex<HashMap<String, usize>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        for flow in self.flows() {
            flow.kill();
        }
    }
}

impl Proxy {
    /// A proxy before the server of this URL.
    ///
    /// # Panics
    ///
    /// When the URL does not name a host, or this machine has no free port.
    pub async fn before(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
        let end = rest.find('/').unwrap_or(rest.len());
        let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
        let host = &rest[start..end];
        let wire = Wire::of(scheme);
        let server = if host.contains(':') { host.to_owned() } else { format!("{host}:{}", wire.port()) };
        let url = (format!("{scheme}://{}", &rest[..start]), rest[end..].to_owned());

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("this machine has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let rules = Rules {
            welcome: Welcome::Carry,
            held: Held::Nothing,
            delay: Duration::ZERO,
            forget_idle: None,
            refusal: None,
        };
        let shared = Arc::new(Shared {
            address,
            wire,
            server: Mutex::new(server),
            url,
            rules: watch::Sender::new(rules),
            mute_next: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            flows: Mutex::default(),
            losses: Mutex::default(),
            stops: Mutex::default(),
            commands: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener));
        Self { shared, accepting }
    }

    /// The URL that leads through here.
    pub fn url(&self) -> String {
        let (before, after) = &self.shared.url;
        format!("{before}{}{after}", self.shared.address)
    }

    /// Sets the fate of new connections. Open ones go on.
    pub fn welcome(&self, welcome: Welcome) {
        self.shared.rules.send_modify(|rules| rules.welcome = welcome);
    }

    /// Leads to the server on this port of this machine from now on; connections that are open lead where they led.
    pub fn lead_to(&self, port: u16) {
        *lock(&self.shared.server) = format!("127.0.0.1:{port}");
    }

    /// Accepts the next `count` connections and never answers them.
    pub fn mute_next(&self, count: usize) {
        self.shared.mute_next.store(count, Ordering::SeqCst);
    }

    /// Stops forwarding, silently; data on its way arrives when it goes on.
    pub fn hold(&self, held: Held) {
        self.shared.rules.send_modify(|rules| rules.held = held);
    }

    /// Keeps everything back for this long.
    pub fn delay(&self, delay: Duration) {
        self.shared.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Forgets connections that were idle for this long: the next byte on one, from either side, is answered by a reset.
    pub fn forget_idle(&self, after: Option<Duration>) {
        self.shared.rules.send_modify(|rules| rules.forget_idle = after);
    }

    /// Has the server answer every call (of a script, of a function) with this error (`CODE and text`) instead of running
    /// it; `None` ends it. On Postgres the code is an SQLSTATE.
    pub fn refuse_calls(&self, error: Option<&str>) {
        self.shared.rules.send_modify(|rules| rules.refusal = error.map(ToOwned::to_owned));
    }

    /// Loses the answer to the next command that holds `text`: the server carries it out, and nobody hears of it.
    pub fn lose_answer(&self, text: impl Into<String>, then: Then) -> Loss {
        let loss = Loss::new(text.into(), then);
        lock(&self.shared.losses).push(loss.clone());
        loss
    }

    /// Stops a client before its next command that holds `text`: that command and all that follows on its connection never
    /// reach the server, which hears nothing of the client's end either. As a process that is stopped, or cut off.
    pub fn stop_before(&self, text: impl Into<String>) -> Loss {
        let stop = Loss::new(text.into(), Then::Silence);
        lock(&self.shared.stops).push(stop.clone());
        stop
    }

    /// Ends every open connection with a reset.
    pub fn kill_all(&self) {
        for flow in self.flows() {
            flow.kill();
        }
    }

    /// The open connections, oldest first, including those that are never answered.
    pub fn flows(&self) -> Vec<Flow> {
        let mut flows = lock(&self.shared.flows);
        flows.retain(Flow::is_open);
        flows.clone()
    }

    /// The open connections whose latest command is `name`, e.g. the `BLPOP` or the `LISTEN` of a worker that waits.
    pub fn flows_in(&self, name: &str) -> Vec<Flow> {
        self.flows().into_iter().filter(|flow| flow.latest().as_deref() == Some(name)).collect()
    }

    /// Connections accepted so far.
    pub fn opened(&self) -> usize {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// How many commands of this name have passed.
    pub fn commands(&self, name: &str) -> usize {
        lock(&self.shared.commands).get(name).copied().unwrap_or(0)
    }
}

/// Accepts while the rules let it, and stops listening while they do not.
async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut rules = shared.rules.subscribe();
    let mut listener = Some(listener);
    loop {
        let welcome = rules.borrow_and_update().welcome;
        match welcome {
            Welcome::Refuse => {
                listener = None;
                changed(&mut rules).await;
            }
            Welcome::Drop => {
                listener = None;
                let _full = full_queue(shared.address).await;
                changed(&mut rules).await;
            }
            Welcome::Carry | Welcome::Mute | Welcome::Reset => {
                let open = match listener.take() {
                    Some(open) => open,
                    None => listen(shared.address).await,
                };
                tokio::select! {
                    // Order matters: earlier rules apply to a later connection.
                    biased;
                    () = changed(&mut rules) => {}
                    accepted = open.accept() => {
                        if let Ok((client, _)) = accepted {
                            receive(&shared, client, welcome);
                        }
                    }
                }
                listener = Some(open);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under a lock here is a single one: a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn changed(rules: &mut watch::Receiver<Rules>) {
    // The sender lives as long as the proxy, and so does every task that waits here.
    let _ = rules.changed().await;
}

/// Listens again on the port that was given up. A connection that is still closing may hold it for
/// a short time.
async fn listen(address: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A listening socket whose queue is full, so that the kernel drops the first packet of the next
/// client.
async fn full_queue(address: SocketAddr) -> Option<(TcpListener, Vec<TcpStream>)> {
    let listener = loop {
        let socket = TcpSocket::new_v4().ok()?;
        socket.set_reuseaddr(true).ok()?;
        if socket.bind(address).is_ok() {
            break socket.listen(1).ok()?;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let mut waiting = Vec::new();
    // One more than the kernel takes: the last one is already dropped.
    for _ in 0..3 {
        let connect = TcpStream::connect(address);
        if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), connect).await {
            waiting.push(stream);
        }
    }
    Some((listener, waiting))
}

fn receive(shared: &Arc<Shared>, client: TcpStream, welcome: Welcome) {
    let id = shared.opened.fetch_add(1, Ordering::SeqCst);
    let mute = shared.mute_next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    if welcome == Welcome::Reset {
        // Safe to lose: a socket that cannot be reset is closed.
        let _ = client.set_zero_linger();
        return;
    }
    let flow = Flow::new(id);
    lock(&shared.flows).push(flow.clone());
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let carried = if mute || welcome == Welcome::Mute {
            flow.mute(&client).await;
            Ok(())
        } else {
            carry(&shared, &flow, client).await
        };
        flow.ended();
        // Broken connections are the purpose; their users notice.
        drop::<io::Result<()>>(carried);
    });
}

async fn carry(shared: &Arc<Shared>, flow: &Flow, client: TcpStream) -> io::Result<()> {
    let server = lock(&shared.server).clone();
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    flow.carry(shared, client, server).await
}

#[cfg(test)]
mod tests;
