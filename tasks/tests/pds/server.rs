//! A real PDS, with its PLC directory, in a process of its own.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use docket_tasks::{Credentials, OAuthTokens, Secret, Session, SessionId, TokenVersion};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse";
/// The password of `@atproto/dev-env`.
const ADMIN_PASSWORD: &str = "admin-pass";
pub(crate) const SCOPE: &str = "atproto transition:generic";

/// A PDS. Ends with this process.
pub(crate) struct Server {
    pub(crate) pds: String,
    pub(crate) plc: String,
    pipe: Mutex<Pipe>,
}

struct Pipe {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    child: Child,
}

static SHARED: LazyLock<Arc<Server>> = LazyLock::new(|| Arc::new(Server::start()));

/// Somebody with an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    pub(crate) did: String,
    pub(crate) handle: String,
    access_jwt: String,
}

impl Server {
    /// The server that most tests share.
    pub(crate) async fn shared() -> Arc<Self> {
        tokio::task::spawn_blocking(|| SHARED.clone()).await.unwrap()
    }

    /// One of its own, for a test that moves its clock.
    pub(crate) async fn alone() -> Arc<Self> {
        tokio::task::spawn_blocking(|| Arc::new(Self::start())).await.unwrap()
    }

    fn start() -> Self {
        let modules = cache().join("node_modules");
        assert!(modules.is_dir(), "there is no PDS in {}: run scripts/pds", cache().display());
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pds/driver.js");
        let mut node = Command::new("node");
        node.arg(driver).env("NODE_PATH", modules).env("LOG_ENABLED", "false");
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = node.spawn().expect("node runs");
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut pipe = Pipe { stdin, stdout, child };
        let started = pipe.line();
        let url = |name: &str| started[name].as_str().expect("the driver says where it is").to_owned();
        Self { pds: url("pds"), plc: url("plc"), pipe: Mutex::new(pipe) }
    }

    async fn command(self: &Arc<Self>, command: Value) -> Value {
        let this = self.clone();
        let obey = move || {
            let mut pipe = this.pipe.lock().unwrap();
            writeln!(pipe.stdin, "{command}").unwrap();
            pipe.line()
        };
        let answer = tokio::task::spawn_blocking(obey).await.unwrap();
        assert!(answer.get("failed").is_none(), "{answer}");
        answer
    }

    /// Moves its clock ahead.
    pub(crate) async fn advance(self: &Arc<Self>, seconds: u64) {
        self.command(json!({ "advance": seconds })).await;
    }

    /// How long access tokens given from now on are good for.
    pub(crate) async fn token_seconds(self: &Arc<Self>, seconds: u64) {
        self.command(json!({ "token_seconds": seconds })).await;
    }

    /// A new account, with a handle that nobody else has.
    pub(crate) async fn account(&self, name: &str) -> Account {
        let handle = format!("{name}{}.test", &uuid::Uuid::now_v7().simple().to_string()[20..]);
        let body = json!({ "handle": handle, "email": format!("{name}@{handle}"), "password": PASSWORD });
        let made = self.xrpc("com.atproto.server.createAccount", &body, None).await;
        serde_json::from_value(made).unwrap()
    }

    /// A session as OAuth gives it.
    pub(crate) async fn oauth_session(self: &Arc<Self>, account: &Account) -> Session {
        self.oauth_session_for(account, SCOPE).await
    }

    pub(crate) async fn oauth_session_for(self: &Arc<Self>, account: &Account, scope: &str) -> Session {
        let tokens = self.oauth_tokens(account, scope).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let secret = |name: &str| Secret::new(text(name));
        let credentials = OAuthTokens {
            issuer: text("issuer"),
            scope: text("scope"),
            access: secret("access_token"),
            refresh: secret("refresh_token"),
            key_pem: secret("key_pem"),
        };
        self.session(account, Credentials::OAuth(credentials))
    }

    /// The tokens of a login by OAuth.
    pub(crate) async fn oauth_tokens(self: &Arc<Self>, account: &Account, scope: &str) -> Value {
        let login = json!({ "username": account.handle, "password": PASSWORD, "scope": scope });
        self.command(json!({ "login": login })).await
    }

    /// A session as an app password gives it.
    pub(crate) async fn app_password_session(&self, account: &Account) -> Session {
        let bearer = Some(&*account.access_jwt);
        let made = self.xrpc("com.atproto.server.createAppPassword", &json!({ "name": "plyr" }), bearer).await;
        let body = json!({ "identifier": account.handle, "password": made["password"] });
        let tokens = self.xrpc("com.atproto.server.createSession", &body, None).await;
        let secret = |name: &str| Secret::new(tokens[name].as_str().unwrap());
        self.session(account, Credentials::AppPassword { access: secret("accessJwt"), refresh: secret("refreshJwt") })
    }

    fn session(&self, account: &Account, credentials: Credentials) -> Session {
        let id = SessionId::new(uuid::Uuid::now_v7().to_string());
        let (did, pds_url) = (account.did.clone(), self.pds.clone());
        Session { id, did, pds_url, version: TokenVersion(1), credentials }
    }

    /// The account is gone, by order of the operator.
    pub(crate) async fn delete_account(&self, account: &Account) {
        let request = reqwest::Client::new().post(format!("{}/xrpc/com.atproto.admin.deleteAccount", self.pds));
        let request = request.basic_auth("admin", Some(ADMIN_PASSWORD)).json(&json!({ "did": account.did }));
        assert!(request.send().await.unwrap().status().is_success());
    }

    async fn xrpc(&self, nsid: &str, body: &Value, bearer: Option<&str>) -> Value {
        let mut request = reqwest::Client::new().post(format!("{}/xrpc/{nsid}", self.pds)).json(body);
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{nsid}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }
}

impl Pipe {
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("the driver said {line:?}: {error}; it ended with {:?}", self.child.try_wait());
        })
    }
}

fn cache() -> PathBuf {
    let default = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/docket/pds");
    std::env::var_os("DOCKET_PDS_CACHE").map_or_else(default, PathBuf::from)
}
