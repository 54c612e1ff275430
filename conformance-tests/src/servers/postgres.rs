//! The `postgres` binary of this machine, on a free port, in a directory of its own.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fmt, fs};

use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::keeper::Keeper;
use super::kind::POSTGRES;
use super::{clock, free_port};

mod script;

/// How long a server may take to answer, making its directory or recovering it included.
const START_MAX: Duration = Duration::from_secs(30);
/// Ports tried before giving up: another process may take a free one first.
const TRIES_MAX: usize = 5;
/// Postgres refuses to run as root. This is `nobody`, which every machine has.
const NOT_ROOT: u32 = 65_534;
/// Where distributions keep binaries that are not in `PATH`, in a directory per version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A Postgres of its own for one test, to be killed, restarted and paused. Its acknowledged writes
/// survive a restart.
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
    /// When Postgres is not installed, or it does not start.
    pub async fn start() -> Self {
        Self::start_with("on", None, None).await
    }

    /// The same on a disk of this size: memory, mounted where nobody else sees it, so that it goes with the server.
    ///
    /// # Panics
    ///
    /// As [`PostgresServer::start`], and where nothing may be mounted: it takes root, or user namespaces.
    pub async fn start_on_small_disk(mib: usize) -> Self {
        Self::start_with("on", Some(mib), None).await
    }

    /// The same, but a power cut of the machine would lose acknowledged writes. For tests that do
    /// not need more.
    pub(super) async fn start_in_haste() -> Self {
        Self::start_with("off", None, None).await
    }

    /// Starts a streaming standby of this one: it answers reads, takes no write, and takes over when it is promoted
    /// (`pg_promote()`).
    ///
    /// # Panics
    ///
    /// As [`PostgresServer::start`].
    pub async fn standby(&self) -> Self {
        Self::start_with("on", None, Some(self.port)).await
    }

    /// The same on a disk of this size; see [`PostgresServer::start_on_small_disk`].
    ///
    /// # Panics
    ///
    /// As [`PostgresServer::start_on_small_disk`].
    pub async fn standby_on_small_disk(&self, mib: usize) -> Self {
        Self::start_with("on", Some(mib), Some(self.port)).await
    }

    async fn start_with(fsync: &str, disk_mib: Option<usize>, primary: Option<u16>) -> Self {
        let binaries = binaries().unwrap_or_else(|| panic!("{}", POSTGRES.three_ways()));
        for _ in 0..TRIES_MAX {
            let server = Self::on(free_port(), &binaries, fsync, disk_mib, primary);
            if server.launch().await {
                return server;
            }
            assert!(server.log().contains("could not bind"), "postgres did not start:\n{}", server.log());
        }
        panic!("postgres did not start on any of {TRIES_MAX} free ports");
    }

    fn on(port: u16, binaries: &Path, fsync: &str, disk_mib: Option<usize>, primary: Option<u16>) -> Self {
        let directory = tempfile::Builder::new().prefix("docket-postgres-").tempdir().expect("a directory can be made");
        let port_text = port.to_string();
        let primary = primary.map(|port| port.to_string()).unwrap_or_default();
        let arguments =
            [directory.path().as_os_str(), port_text.as_ref(), binaries.as_os_str(), fsync.as_ref(), primary.as_ref()];
        let is_root = fs::metadata(directory.path()).expect("it was just made").uid() == 0;
        if is_root {
            chown(directory.path(), Some(NOT_ROOT), Some(NOT_ROOT)).expect("root may give away what it owns");
        }
        let keeper = match disk_mib {
            Some(mib) => {
                let size = format!("{mib}m");
                let around = [script::KEEPER.as_ref(), size.as_ref()];
                Keeper::new(script::ON_SMALL_DISK, &[around.as_slice(), arguments.as_slice()].concat())
            }
            None if is_root => Keeper::new_as(NOT_ROOT, script::KEEPER, &arguments),
            None => Keeper::new(script::KEEPER, &arguments),
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

    /// Gives it a wall clock that [`PostgresServer::set_clock`] moves, from its next start on.
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

    /// Kills all its processes as a power cut would (SIGKILL). Returns when they are gone.
    pub fn kill9(&self) {
        self.tell("kill");
    }

    /// Stops it as `pg_ctl stop -m fast` does: transactions are aborted, clients informed. Returns
    /// when it is gone.
    pub fn stop_fast(&self) {
        self.tell("stop");
    }

    /// Leaves no byte free on its small disk.
    pub fn fill_disk(&self) {
        self.tell("fill");
    }

    /// Gives the room back.
    pub fn free_disk(&self) {
        self.tell("free");
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

    /// The server's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// The directory of `postgres` and its tools: in `PATH`, or of the newest version installed.
fn binaries() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, directory)| directory);
    let is_whole =
        |directory: &PathBuf| ["initdb", "postgres", "pg_basebackup"].iter().all(|name| directory.join(name).is_file());
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
