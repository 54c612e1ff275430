//! A real Redis of a test's own, which it can kill and start again.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to answer its first command.
const START_MAX: Duration = Duration::from_secs(10);

/// A `redis-server` on a free port, in a temporary directory; stopped when dropped.
pub(crate) struct Redis {
    port: u16,
    directory: TempDir,
    settings: Vec<String>,
    process: Option<Child>,
}

impl Redis {
    /// Starts one with `settings` beside the defaults of a durable server, e.g. `["--requirepass", "secret"]`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let port = free_port();
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut redis = Self { port, directory, settings, process: None };
        redis.restart();
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the server can be killed");
            process.wait().expect("the server has ended");
        }
    }

    /// Starts it again on the same port, with what it had persisted.
    pub(crate) fn restart(&mut self) {
        let port = self.port.to_string();
        let process = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--dir"])
            .arg(self.directory.path())
            .args(&self.settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need a redis-server on the PATH: apt-get install redis-server, or run scripts/test");
        self.process = Some(process);
        let started = Instant::now();
        while !answers(self.port) {
            assert!(started.elapsed() < START_MAX, "redis-server did not answer on port {port} in time");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port can be had");
    listener.local_addr().expect("a listener has an address").port()
}

/// Any answer will do, also that a password is wanted.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = [0; 8];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read(&mut answer).is_ok_and(|read| read > 0)
        && !answer.starts_with(b"-LOADING")
}
