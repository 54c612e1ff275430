//! A real S3 server, SeaweedFS, in a process and a directory of its own.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use docket_tasks::{Access, Secret, Storage};
use serde_json::Value;
use tokio::sync::OnceCell;

const KEY_ID: &str = "key-id-abc";
pub(crate) const SECRET: &str = "very-secret";
/// How long it may take to answer.
const START_MAX: Duration = Duration::from_secs(30);
/// Ports tried before giving up: another process may take a free one first.
const TRIES_MAX: usize = 3;

/// Owns the server. It ends, and takes the server and its directory along, at the end of its input: that is when the test
/// process ends, however it does.
const KEEPER: &str = r#"
trap '' HUP
directory=$1
shift
"$@" >"$directory/log" 2>&1 &
pid=$!
while read -r _; do :; done
kill -KILL "$pid"
wait "$pid"
rm -rf -- "$directory"
"#;

/// SeaweedFS. Ends with this process.
pub(crate) struct Server {
    /// Where it speaks S3.
    pub(crate) endpoint: String,
    /// The file system behind its buckets: it shows parts that no S3 client sees.
    filer: String,
    /// Its input ends with this process.
    _keeper: Child,
}

static SHARED: OnceCell<Server> = OnceCell::const_new();

impl Server {
    /// The one that all tests share.
    pub(crate) async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let weed = cache().join("bin/weed");
        assert!(weed.is_file(), "there is no S3 server in {}: run scripts/s3", cache().display());
        for _ in 0..TRIES_MAX {
            let server = Self::launch(&weed);
            if tokio::time::timeout(START_MAX, server.is_ready()).await.is_ok() {
                return server;
            }
        }
        panic!("SeaweedFS did not start on any of {TRIES_MAX} sets of free ports");
    }

    fn launch(weed: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("docket-s3-").tempdir().unwrap().keep();
        let credentials = serde_json::json!([{ "accessKey": KEY_ID, "secretKey": SECRET }]);
        let actions = ["Admin", "Read", "Write", "List", "Tagging"];
        let identity = serde_json::json!({ "name": "plyr", "credentials": credentials, "actions": actions });
        let config = serde_json::json!({ "identities": [identity] });
        std::fs::write(directory.join("s3.json"), config.to_string()).unwrap();
        let (s3, filer) = (free_port(), free_port());
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEPER, "keeper"]).arg(&directory).arg(weed).args(flags(&directory, s3, filer));
        // Signals to the test's process group must not reach it: it has to tidy up.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let local = |port| format!("http://127.0.0.1:{port}");
        Self { endpoint: local(s3), filer: local(filer), _keeper: shell.spawn().expect("a shell can be started") }
    }

    async fn is_ready(&self) {
        let speaks_s3 = async || reqwest::get(format!("{}/healthz", self.endpoint)).await.is_ok();
        while !(speaks_s3().await && self.folder("").await.is_some()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A bucket, reached by way of `endpoint`.
    pub(crate) fn bucket(endpoint: &str, name: &str, secret: &str) -> Storage {
        let (key_id, secret) = (Secret::new(KEY_ID), Secret::new(secret));
        let access = Access { endpoint: Some(endpoint.to_owned()), key_id, secret, region: "auto".to_owned() };
        Storage::open(&format!("s3://{name}"), Some(&access)).unwrap()
    }

    /// A bucket that nobody else has; gives its name.
    pub(crate) async fn new_bucket(&self, purpose: &str) -> String {
        let name = format!("{purpose}-{}", uuid::Uuid::now_v7().simple());
        let request = reqwest::Client::new().post(format!("{}/buckets/{name}/", self.filer));
        request.send().await.unwrap().error_for_status().unwrap();
        name
    }

    /// How many parts wait in a bucket for the end of their uploads.
    pub(crate) async fn waiting_parts(&self, bucket: &str) -> usize {
        let mut parts = 0;
        for upload in self.folder(&format!("{bucket}/.uploads")).await.unwrap_or_default() {
            let path = upload["FullPath"].as_str().unwrap().trim_start_matches("/buckets/");
            parts += self.folder(path).await.map_or(0, |parts| parts.len());
        }
        parts
    }

    /// What is in a folder; `None` if there is none.
    async fn folder(&self, path: &str) -> Option<Vec<Value>> {
        let request = reqwest::Client::new().get(format!("{}/buckets/{path}/?limit=1000", self.filer));
        let answer = request.header("accept", "application/json").send().await.ok()?;
        let listing: Value = answer.error_for_status().ok()?.json().await.ok()?;
        Some(listing["Entries"].as_array().cloned().unwrap_or_default())
    }
}

fn flags(directory: &Path, s3: u16, filer: u16) -> Vec<String> {
    let ports =
        ["s3.port.grpc", "filer.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"];
    let ports = ports.into_iter().chain(["admin.port", "admin.port.grpc"]);
    let mut flags = vec!["mini".to_owned(), format!("-s3.port={s3}"), format!("-filer.port={filer}")];
    flags.extend(ports.map(|name| format!("-{name}={}", free_port())));
    let within = |name: &str| directory.join(name).display().to_string();
    flags.extend([
        format!("-dir={}", directory.display()),
        format!("-s3.config={}", within("s3.json")),
        format!("-s3.localSocket={}", within("s3.sock")),
        format!("-filer.localSocket={}", within("filer.sock")),
    ]);
    let fixed = [
        // It tells nobody that it was here.
        "-master.telemetry=false",
        // A bucket that is not there stays so, as everywhere else.
        "-s3.autoCreateBucket=false",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        // Each bucket takes some.
        "-volume.max=2000",
    ];
    flags.extend(fixed.map(str::to_owned));
    flags
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn cache() -> PathBuf {
    let default = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/docket/s3");
    std::env::var_os("DOCKET_S3_CACHE").map_or_else(default, PathBuf::from)
}
