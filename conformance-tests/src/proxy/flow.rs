//! One connection through the proxy, and its faults.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::command::{Command, Reader};
use super::{Rules, Shared, lock};

/// Data that is held back, silently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// The server's answers: commands arrive and take effect, and nobody hears of it. To the
    /// client, half-open.
    Answers,
    /// Everything, as if the cable were cut.
    Both,
}

impl Held {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Both, _) | (_, Self::Both) => Self::Both,
            (Self::Answers, _) | (_, Self::Answers) => Self::Answers,
            (Self::Nothing, Self::Nothing) => Self::Nothing,
        }
    }
}

/// What follows a lost answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing comes on this connection any more.
    Silence,
}

/// An answer to be lost, once.
#[derive(Clone, Debug)]
pub struct Loss(Arc<LossState>);

#[derive(Debug)]
struct LossState {
    text: String,
    then: Then,
    taken: AtomicBool,
    happened: AtomicBool,
}

impl Loss {
    pub(super) fn new(text: String, then: Then) -> Self {
        Self(Arc::new(LossState { text, then, taken: AtomicBool::new(false), happened: AtomicBool::new(false) }))
    }

    /// Whether the server has answered, and the answer was lost; or the client was stopped.
    pub fn happened(&self) -> bool {
        self.0.happened.load(Ordering::SeqCst)
    }

    /// Whether it is this command's answer; only one is.
    fn takes(&self, command: &Command) -> bool {
        command.holds(&self.0.text) && !self.0.taken.swap(true, Ordering::SeqCst)
    }
}

/// One connection. Clones are of the same.
#[derive(Clone, Debug)]
pub struct Flow(Arc<State>);

#[derive(Debug)]
struct State {
    id: usize,
    own: watch::Sender<Own>,
    ended: AtomicBool,
    bytes: AtomicUsize,
    commands: AtomicUsize,
    latest: Mutex<Option<String>>,
}

/// The rules of this one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Own {
    held: Held,
    killed: bool,
}

impl Flow {
    pub(super) fn new(id: usize) -> Self {
        Self(Arc::new(State {
            id,
            own: watch::Sender::new(Own { held: Held::Nothing, killed: false }),
            ended: AtomicBool::new(false),
            bytes: AtomicUsize::new(0),
            commands: AtomicUsize::new(0),
            latest: Mutex::default(),
        }))
    }

    /// Its number in the order of opening.
    pub fn id(&self) -> usize {
        self.0.id
    }

    /// Whether it is still there.
    pub fn is_open(&self) -> bool {
        !self.0.ended.load(Ordering::SeqCst)
    }

    /// Bytes carried, both ways together.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::SeqCst)
    }

    /// Commands carried.
    pub fn commands(&self) -> usize {
        self.0.commands.load(Ordering::SeqCst)
    }

    /// The name of the latest command.
    pub fn latest(&self) -> Option<String> {
        lock(&self.0.latest).clone()
    }

    /// Ends it with a reset, both ways.
    pub fn kill(&self) {
        self.0.own.send_modify(|own| own.killed = true);
    }

    /// Holds back the data of this connection.
    pub fn hold(&self, held: Held) {
        self.0.own.send_modify(|own| own.held = held);
    }

    pub(super) fn ended(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }

    /// Accepts the client's data and never answers, until it is killed or the client gives up.
    pub(super) async fn mute(&self, client: &TcpStream) {
        let mut own = self.0.own.subscribe();
        let tired = async {
            let mut bytes = [0; 1024];
            loop {
                if client.readable().await.is_err() || matches!(client.try_read(&mut bytes), Ok(0)) {
                    return;
                }
            }
        };
        tokio::select! {
            () = tired => {}
            _ = own.wait_for(|own| own.killed) => {}
        }
    }

    /// Carries commands one way and answers the other, by the current rules.
    pub(super) async fn carry(&self, shared: &Shared, client: TcpStream, server: TcpStream) -> io::Result<()> {
        let mut carrying = Carrying {
            flow: self.clone(),
            client,
            server,
            reader: Reader::new(shared.wire),
            loss: None,
            moved_at: Instant::now(),
        };
        let ended = carrying.run(shared).await;
        if let Ok(End::Reset) = ended {
            carrying.client.set_zero_linger()?;
            carrying.server.set_zero_linger()?;
        }
        ended.map(|_| ())
    }
}

/// How a connection ended.
enum End {
    Closed,
    Reset,
}

struct Carrying {
    flow: Flow,
    client: TcpStream,
    server: TcpStream,
    reader: Reader,
    /// The answers of this connection are lost from now on.
    loss: Option<Loss>,
    moved_at: Instant,
}

impl Carrying {
    async fn run(&mut self, shared: &Shared) -> io::Result<End> {
        let mut rules = shared.rules.subscribe();
        let mut own = self.flow.0.own.subscribe();
        let mut up = vec![0; 64 << 10];
        let mut down = vec![0; 64 << 10];
        loop {
            let now = rules.borrow_and_update().clone();
            let mine = *own.borrow_and_update();
            if mine.killed {
                return Ok(End::Reset);
            }
            let held = now.held.and(mine.held);
            let (bytes, is_command) = tokio::select! {
                // Order matters: earlier rules apply to a later byte.
                biased;
                _ = rules.changed() => continue,
                _ = own.changed() => continue,
                read = self.client.read(&mut up), if held != Held::Both => (&up[..read?], true),
                read = self.server.read(&mut down), if held == Held::Nothing => (&down[..read?], false),
            };
            if bytes.is_empty() {
                return Ok(End::Closed);
            }
            if now.forget_idle.is_some_and(|after| self.moved_at.elapsed() > after) {
                return Ok(End::Reset);
            }
            self.moved_at = Instant::now();
            self.flow.0.bytes.fetch_add(bytes.len(), Ordering::SeqCst);
            wait(now.delay).await;
            if is_command {
                self.reader.extend(bytes);
                self.commands(shared, &now).await?;
            } else if self.answers(bytes).await? {
                return Ok(End::Closed);
            }
        }
    }

    /// Passes on the commands that are there as a whole.
    async fn commands(&mut self, shared: &Shared, rules: &Rules) -> io::Result<()> {
        while let Some(command) = self.reader.next() {
            self.flow.0.commands.fetch_add(1, Ordering::SeqCst);
            *lock(&self.flow.0.latest) = Some(command.name.clone());
            *lock(&shared.commands).entry(command.name.clone()).or_default() += 1;
            let losses = lock(&shared.losses).clone();
            if self.loss.is_none() {
                self.loss = losses.into_iter().find(|loss| loss.takes(&command));
            }
            let stops = lock(&shared.stops).clone();
            if let Some(stop) = stops.into_iter().find(|stop| stop.takes(&command)) {
                stop.0.happened.store(true, Ordering::SeqCst);
                self.flow.hold(Held::Both);
                return Ok(());
            }
            match &rules.refusal {
                Some(error) if command.is_call => self.server.write_all(&shared.wire.refusal(error)).await?,
                _ => self.server.write_all(&command.bytes).await?,
            }
        }
        Ok(())
    }

    /// Forwards the server's answers, unless they are lost; returns whether to close the connection
    /// for that.
    async fn answers(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Some(loss) = &self.loss else {
            self.client.write_all(bytes).await?;
            return Ok(false);
        };
        loss.0.happened.store(true, Ordering::SeqCst);
        Ok(loss.0.then == Then::Close)
    }
}

async fn wait(delay: Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}
