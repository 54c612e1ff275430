//! A server of its own for each test, on a free port, in a directory that goes with it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// How long a server may take to start, or to do what it was asked to.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; it ends with this value.
pub(crate) struct Server {
    process: Child,
    port: u16,
    settings: Vec<String>,
    directory: TempDir,
}

impl Server {
    /// Starts one that keeps every write, with further settings in the words of its command line.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let settings: Vec<String> = settings.iter().map(|&word| word.to_owned()).collect();
        let process = launch(port, &directory, &settings);
        let server = Self { process, port, settings, directory };
        server.answers().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens beside its port.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was killed");
    }

    /// Starts it again on what it has written.
    pub(crate) async fn restart(&mut self) {
        self.process = launch(self.port, &self.directory, &self.settings);
        self.answers().await;
    }

    /// Stops or continues its process, its connections open.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.process.id().to_string()).status();
        assert!(status.expect("kill is there").success());
    }

    /// A connection for the test itself.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a good URL");
        client.get_multiplexed_async_connection().await.expect("the server answers")
    }

    /// Sends one command, its words apart by spaces.
    pub(crate) async fn tell<T: redis::FromRedisValue>(&self, words: &str) -> T {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            command.arg(word);
        });
        command.query_async(&mut self.connection().await).await.expect("the server takes the command")
    }

    async fn answers(&self) {
        let client = redis::Client::open(self.url()).expect("a good URL");
        let ready = async {
            loop {
                if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                    // With a password set it answers, and that is enough.
                    match redis::cmd("PING").query_async::<String>(&mut connection).await {
                        Err(error) if error.code() == Some("LOADING") => {}
                        _ => return,
                    }
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ready).await.expect("the server starts");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Safe to lose: one that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(port: u16, directory: &TempDir, settings: &[String]) -> Child {
    let started = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"])
        .args(["--unixsocket", "socket", "--port", &port.to_string(), "--dir"])
        .arg(directory.path())
        .args(settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.unwrap_or_else(|error| panic!("these tests need a redis-server binary in the PATH: {error}"))
}
