//! The `postgres` binary of this machine, on a free port, in a directory of its own.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fmt, fs};

use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::free_port;
use super::keeper::Keeper;
use super::kind::POSTGRES;

/// How long a server may take to answer, making its directory or recovering it included.
const START_MAX: Duration = Duration::from_secs(30);
/// Ports tried before giving up: another process may take a free one first.
const TRIES_MAX: usize = 5;
/// Postgres refuses to run as root. This is `nobody`, which every machine has.
const NOT_ROOT: u32 = 65_534;
/// Where distributions keep binaries that are not in `PATH`, in a directory per version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Owns the server and obeys one word per line. It ends, and takes the server and its directory along, at the end of its
/// input: that is when the test process ends, however it does.
///
/// Sorted by the rules of a language (where it can: from version 15), as servers in use are: what is sorted by bytes must
/// say so. Its processes are in sessions of their own, so each is told by its number, and waited for: the memory that they
/// share keeps the next server from starting. The first of them is stopped before, lest it replace the others.
const KEEPER: &str = r#"
dir=$1 port=$2 bin=$3 fsync=$4 pid= language=
cd "$dir"
serve() {
  if "$bin/initdb" --help | grep -q icu-locale; then language='--locale-provider=icu --icu-locale=en'; fi
  [ -e data/PG_VERSION ] || "$bin/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --locale=C \
    $language --no-sync || return
  exec "$bin/postgres" -D data -p "$port" -k "$dir" -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync="$fsync"
}
children() { cat "/proc/$pid/task/$pid/children"; }
runs() { grep -qs '^State:.[^XZ]' "/proc/$1/status"; }
end() {
  kill -STOP "$pid"
  all=$(children)
  kill -KILL $all "$pid"
  wait "$pid"
  for child in $all; do while runs "$child"; do sleep 0.01; done; done
}
while read -r word; do
  case $word in
    start) serve >>log 2>&1 & pid=$! ;;
    kill) end; pid= ;;
    pause) kill -STOP "$pid"; kill -STOP $(children) ;;
    resume) kill -CONT $(children); kill -CONT "$pid" ;;
  esac
  echo "$pid"
done
if [ -n "$pid" ]; then end; fi
rm -rf -- "$dir"
"#;

/// A Postgres of its own for one test, to be killed, restarted and paused. What it has acknowledged survives a restart.
pub struct PostgresServer {
    port: u16,
    keeper: Mutex<Keeper>,
    directory: TempDir,
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresServer").field("port", &self.port).finish_non_exhaustive()
    }
}

impl PostgresServer {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    ///
    /// When there is no Postgres on this machine, or it does not start.
    pub async fn start() -> Self {
        Self::start_with("on").await
    }

    /// The same, but a power cut of the machine would lose what it acknowledged. For tests that do not ask for more.
    pub(super) async fn start_in_haste() -> Self {
        Self::start_with("off").await
    }

    async fn start_with(fsync: &str) -> Self {
        let binaries = binaries().unwrap_or_else(|| panic!("{}", POSTGRES.three_ways()));
        for _ in 0..TRIES_MAX {
            let server = Self::on(free_port(), &binaries, fsync);
            if server.launch().await {
                return server;
            }
            assert!(server.log().contains("could not bind"), "postgres did not start:\n{}", server.log());
        }
        panic!("postgres did not start on any of {TRIES_MAX} free ports");
    }

    fn on(port: u16, binaries: &Path, fsync: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("docket-postgres-").tempdir().expect("a directory can be made");
        let port_text = port.to_string();
        let arguments = [directory.path().as_os_str(), port_text.as_ref(), binaries.as_os_str(), fsync.as_ref()];
        let owner = fs::metadata(directory.path()).expect("it was just made").uid();
        let keeper = if owner == 0 {
            chown(directory.path(), Some(NOT_ROOT), Some(NOT_ROOT)).expect("root may give away what it owns");
            Keeper::new_as(NOT_ROOT, KEEPER, &arguments)
        } else {
            Keeper::new(KEEPER, &arguments)
        };
        Self { port, keeper: Mutex::new(keeper), directory }
    }

    /// Where it answers; the same after a restart.
    pub fn url(&self) -> String {
        (POSTGRES.url)("127.0.0.1", self.port)
    }

    /// Its port on 127.0.0.1; the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills all its processes as a power cut would (SIGKILL). Returns when they are gone.
    pub fn kill9(&self) {
        self.tell("kill");
    }

    /// Starts it again on the same port and data, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub async fn restart(&self) {
        assert!(self.launch().await, "postgres did not come back:\n{}", self.log());
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
                if self.log().contains("could not bind") {
                    return false;
                }
                sleep(Duration::from_millis(5)).await;
            }
            true
        });
        answered.await.unwrap_or(false)
    }

    /// Asked through the socket in its directory, where nobody else answers.
    async fn answers(&self) -> bool {
        let socket = self.directory.path().join(format!(".s.PGSQL.{}", self.port));
        POSTGRES.answers(UnixStream::connect(socket)).await
    }

    fn tell(&self, word: &str) -> String {
        self.keeper.lock().expect("no keeper panics").tell(word)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// The directory of `postgres` and `initdb`: in `PATH`, or of the newest version installed.
fn binaries() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, directory)| directory);
    let is_whole = |directory: &PathBuf| ["initdb", "postgres"].iter().all(|name| directory.join(name).is_file());
    env::split_paths(&path).chain(newest_first).find(is_whole)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    async fn answers_on_its_port(server: &PostgresServer) -> bool {
        POSTGRES.answers(TcpStream::connect(("127.0.0.1", server.port()))).await
    }

    #[tokio::test]
    async fn a_server_comes_and_goes_as_told() {
        let server = PostgresServer::start().await;
        assert!(answers_on_its_port(&server).await);
        server.pause();
        assert!(!answers_on_its_port(&server).await, "a stopped server does not answer");
        server.resume();
        assert!(answers_on_its_port(&server).await);
        server.kill9();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).await.is_err(), "a dead one refuses");
        server.restart().await;
        assert!(answers_on_its_port(&server).await);
        let directory = server.directory.path().to_owned();
        drop(server);
        assert!(!directory.exists(), "nothing is left behind");
    }
}
