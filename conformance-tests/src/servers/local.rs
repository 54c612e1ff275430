//! The `redis-server` binary of this machine, on a free port, in a directory of its own.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::keeper::Keeper;
use super::kind::REDIS;
use super::{clock, free_port};

/// How long a server may take to answer, reading its log included.
const START_MAX: Duration = Duration::from_secs(20);
/// Ports tried before giving up: another process may take a free one first.
const TRIES_MAX: usize = 5;
/// How long one look at it may take.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// Owns the server and obeys one word per line. It ends, and takes the server and its directory along, at the end of its
/// input: that is when the test process ends, however it does.
const KEEPER: &str = r#"
dir=$1 port=$2 pid=
shift 2
while read -r word; do
  case $word in
    start)
      clock=
      if [ -e "$dir/clock" ]; then clock="env LD_PRELOAD=$dir/clock.so DOCKET_TEST_CLOCK=$dir/clock"; fi
      $clock redis-server --port "$port" --bind 127.0.0.1 --unixsocket "$dir/socket" --dir "$dir" --save '' --appendonly yes \
        --appendfsync always --maxmemory-policy noeviction --loglevel warning "$@" >>"$dir/log" 2>&1 &
      pid=$! ;;
    kill) kill -KILL "$pid"; wait "$pid"; pid= ;;
    pause) kill -STOP "$pid" ;;
    resume) kill -CONT "$pid" ;;
  esac
  echo "$pid"
done
if [ -n "$pid" ]; then kill -KILL "$pid"; wait "$pid"; fi
rm -rf -- "$dir"
"#;

/// A Redis of its own for one test, to be killed, restarted and paused. Its acknowledged writes
/// survive a restart.
pub struct RedisServer {
    port: u16,
    keeper: Mutex<Keeper>,
    directory: TempDir,
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer").field("port", &self.port).finish_non_exhaustive()
    }
}

impl RedisServer {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    ///
    /// When `redis-server` is not installed, or it does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further settings, in the words of the server's command line, e.g. `["--requirepass", "secret"]`.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    pub async fn start_with(settings: &[&str]) -> Self {
        assert!(is_installed(), "{}", REDIS.three_ways());
        for _ in 0..TRIES_MAX {
            let server = Self::on(free_port(), settings);
            if server.launch().await {
                return server;
            }
        }
        panic!("redis-server did not start on any of {TRIES_MAX} free ports");
    }

    fn on(port: u16, settings: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("docket-redis-").tempdir().expect("a directory can be made");
        let port_text = port.to_string();
        let mut arguments: Vec<&OsStr> = vec![directory.path().as_os_str(), port_text.as_ref()];
        arguments.extend(settings.iter().map(OsStr::new));
        let keeper = Keeper::new(KEEPER, &arguments);
        Self { port, keeper: Mutex::new(keeper), directory }
    }

    /// Where it answers; the same after a restart.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1; the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens beside its port.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Gives it a wall clock that [`RedisServer::set_clock`] moves, from its next start on.
    ///
    /// # Panics
    ///
    /// When no C compiler is installed.
    pub fn give_clock(&self) {
        clock::give(self.directory.path());
    }

    /// Moves the clock it was given: by so many seconds relative to the machine's.
    ///
    /// # Panics
    ///
    /// When it was given none.
    pub fn set_clock(&self, ahead_seconds: i64) {
        clock::set(self.directory.path(), ahead_seconds);
    }

    /// Kills it as a power cut of the process would (SIGKILL). Returns when it is gone.
    pub fn kill9(&self) {
        self.tell("kill");
    }

    /// Starts it again on the same port and data, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub async fn restart(&self) {
        assert!(self.launch().await, "redis-server did not come back:\n{}", self.log());
    }

    /// Stops it from answering, its connections open (SIGSTOP).
    pub fn pause(&self) {
        self.tell("pause");
    }

    /// Lets it go on after a pause.
    pub fn resume(&self) {
        self.tell("resume");
    }

    /// Starts the process; false when the port was taken in the meantime, or it never answers.
    async fn launch(&self) -> bool {
        self.tell("start");
        let answered = timeout(START_MAX, async {
            while !self.answers().await {
                if self.log().contains("Failed listening on port") {
                    return false;
                }
                sleep(Duration::from_millis(5)).await;
            }
            true
        });
        answered.await.unwrap_or(false)
    }

    /// Whether it answers, its data loaded. Asked over its socket: another that was quicker to take the port has none in
    /// this directory, and a server that did not get its port makes none.
    async fn answers(&self) -> bool {
        let ask = async {
            let mut stream = UnixStream::connect(self.socket()).await?;
            stream.write_all(b"PING\r\nQUIT\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(LOOK_MAX, ask).await;
        // One with a password asks for it.
        matches!(answer, Ok(Ok(answer)) if answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
    }

    fn tell(&self, word: &str) {
        self.keeper.lock().expect("no keeper panics").tell(word);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

fn is_installed() -> bool {
    let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_server_comes_and_goes_as_told() {
        let server = RedisServer::start().await;
        assert!(server.answers().await);
        server.pause();
        assert!(!server.answers().await, "a stopped server does not answer");
        server.resume();
        assert!(server.answers().await);
        server.kill9();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).await.is_err(), "a dead one refuses");
        server.restart().await;
        let directory = server.directory.path().to_owned();
        drop(server);
        assert!(!directory.exists(), "nothing is left behind");
    }
}
