//! The `pgbouncer` binary of this machine, in transaction mode before a Postgres.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fmt, fs};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::keeper::Keeper;
use super::kind::POSTGRES;
use super::{free_port, postgres_url};

/// How long it may take to answer.
const START_MAX: Duration = Duration::from_secs(10);
/// It refuses to run as root. This is `nobody`, which every machine has.
const NOT_ROOT: u32 = 65_534;
/// Where distributions keep it.
const PLACES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Owns the pooler and its directory, and ends with its input: that is when the test process ends, however it does.
const KEEPER: &str = r#"
dir=$1 bin=$2 pid=
while read -r word; do
  case $word in
    start) "$bin/pgbouncer" "$dir/pgbouncer.ini" >>"$dir/log" 2>&1 & pid=$! ;;
    kill) kill -KILL "$pid"; wait "$pid"; pid= ;;
  esac
  echo "$pid"
done
if [ -n "$pid" ]; then kill -KILL "$pid"; wait "$pid"; fi
rm -rf -- "$dir"
"#;

// Never dropped: it watches for the end of this process.
static POOLER: OnceCell<PgBouncer> = OnceCell::const_new();

/// The URL of a `PgBouncer` before the Postgres of [`postgres_url`], started once per test process. The URL does not say
/// that it is one.
///
/// # Panics
///
/// As [`PgBouncer::before`].
pub async fn pgbouncer_url() -> String {
    POOLER.get_or_init(async || PgBouncer::before(&postgres_url().await).await).await.url()
}

/// A pooler that hands out four server connections, for one transaction at a time.
pub struct PgBouncer {
    port: u16,
    keeper: Mutex<Keeper>,
    directory: TempDir,
}

impl fmt::Debug for PgBouncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgBouncer").field("port", &self.port).finish_non_exhaustive()
    }
}

impl PgBouncer {
    /// Starts one before the server at `postgres`, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When `pgbouncer` is not installed, or it does not start.
    pub async fn before(postgres: &str) -> Self {
        let binaries = env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .chain(PLACES.map(Into::into))
            .find(|directory| directory.join("pgbouncer").is_file());
        let binaries =
            binaries.expect("the suite needs a real PgBouncer: install pgbouncer (apt-get install pgbouncer)");
        let port = free_port();
        let directory =
            tempfile::Builder::new().prefix("docket-pgbouncer-").tempdir().expect("a directory can be made");
        let (settings, log) = (directory.path().join("pgbouncer.ini"), directory.path().join("log"));
        fs::write(&settings, SETTINGS.replace("{SERVER}", &server(postgres)).replace("{PORT}", &port.to_string()))
            .expect("a file can be written");
        fs::write(&log, "").expect("a file can be written");
        let pooler = Self { port, keeper: Mutex::new(keeper(directory.path(), &binaries)), directory };
        pooler.start().await;
        pooler
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        (POSTGRES.url)("127.0.0.1", self.port)
    }

    /// Kills it, and all connections through it. Returns when it is gone.
    pub fn kill9(&self) {
        self.tell("kill");
    }

    /// Starts it, again or for the first time, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn start(&self) {
        self.tell("start");
        let answered = timeout(START_MAX, async {
            while !POSTGRES.answers(TcpStream::connect(("127.0.0.1", self.port))).await {
                sleep(Duration::from_millis(5)).await;
            }
        });
        let log = self.directory.path().join("log");
        assert!(answered.await.is_ok(), "pgbouncer did not start:\n{}", fs::read_to_string(log).unwrap_or_default());
    }

    fn tell(&self, word: &str) {
        self.keeper.lock().expect("no keeper panics").tell(word);
    }
}

/// `extra_float_digits` and the like are refused, as by a pooler that was not configured to ignore
/// them.
const SETTINGS: &str = "[databases]
postgres = {SERVER}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {PORT}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
";

fn keeper(directory: &Path, binaries: &Path) -> Keeper {
    let arguments = [directory.as_os_str(), binaries.as_os_str()];
    if fs::metadata(directory).expect("it was just made").uid() != 0 {
        return Keeper::new(KEEPER, &arguments);
    }
    for path in [directory, &directory.join("pgbouncer.ini"), &directory.join("log")] {
        chown(path, Some(NOT_ROOT), Some(NOT_ROOT)).expect("root may give away what it owns");
    }
    Keeper::new_as(NOT_ROOT, KEEPER, &arguments)
}

/// `postgres://USER[:PASSWORD]@HOST:PORT/DATABASE` in the words of its settings.
fn server(url: &str) -> String {
    let parts = || {
        let (login, place) = url.split_once("://")?.1.rsplit_once('@')?;
        let (address, database) = place.split_once('/')?;
        let (host, port) = address.rsplit_once(':')?;
        let (user, password) = login.split_once(':').map_or((login, String::new()), |(user, password)| {
            // An empty one is refused.
            (user, format!(" password='{password}'"))
        });
        Some(format!("host={host} port={port} dbname={database} user={user}{password}"))
    };
    parts()
        .unwrap_or_else(|| panic!("the URL of the test Postgres is not of the form postgres://USER@HOST:PORT/DATABASE"))
}
