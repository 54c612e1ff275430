//! One process of the service, and what it answers.

use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

/// How a process knows that it is one: its command line.
pub(crate) const ARGS: &str = "DOCKET_TEST_SERVICE_ARGS";
/// How long anything may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Killed when dropped.
pub(crate) struct Process {
    child: Child,
    url: String,
    http: Client,
}

impl Process {
    pub(crate) fn spawn(worker: &str, vars: &[(String, String)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "as_a_process", "--nocapture"]).stdout(Stdio::null());
        for name in ["DOCKET_URL", "DATABASE_URL", "DOCKET_OUTBOX_URL", "ATPROTO_CLIENT_ID"] {
            command.env_remove(name);
        }
        command.env(ARGS, format!("--listen 127.0.0.1:{port} --worker {worker}")).envs(vars.iter().cloned());
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { child: command.spawn().unwrap(), url: format!("http://127.0.0.1:{port}"), http }
    }

    pub(crate) async fn ready(self) -> Self {
        eventually("the service is ready", async || {
            let answer = self.http.get(format!("{}/ready", self.url)).send().await;
            answer.is_ok_and(|answer| answer.status() == StatusCode::OK).then_some(())
        })
        .await;
        self
    }

    /// Asks as `did`, or as nobody.
    pub(crate) async fn send(&self, method: Method, path: &str, did: &str, body: Option<Value>) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if !did.is_empty() {
            request = request.header("x-did", did);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// The answer to what must be done.
    pub(crate) async fn done(&self, method: Method, path: &str, did: &str, body: Option<Value>) -> Value {
        let answer = self.send(method.clone(), path, did, body).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn refused(&self, method: Method, path: &str, did: &str, body: Option<Value>) -> u16 {
        self.send(method, path, did, body).await.status().as_u16()
    }

    pub(crate) fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    pub(crate) async fn ended(mut self) -> ExitStatus {
        eventually("the process has ended", async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended is not an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of a stream, up to the first that is wanted, or to its end.
pub(crate) async fn events(stream: &mut Response, is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let (mut text, mut events) = (String::new(), Vec::new());
    while let Some(chunk) = tokio::time::timeout(SOON, stream.chunk()).await.expect("the stream goes on").unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            if let Some(data) = event.strip_prefix("data: ") {
                events.push(serde_json::from_str(data).unwrap());
            }
            text = rest.to_owned();
        }
        if events.last().is_some_and(&is_wanted) {
            break;
        }
    }
    events
}

pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
