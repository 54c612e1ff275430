//! What must never be told.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conformance_tests::servers::{PostgresServer, RedisServer};
use docket::{NewTask, Payload, TaskName, Verb};
use tracing_subscriber::fmt::MakeWriter;

use crate::scene::{Scene, until};

/// What is logged by this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_password_and_no_argument_reaches_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    // For the whole process: a line that another test's thread was first to write is not asked of this thread again.
    tracing::subscriber::set_global_default(subscriber.with_ansi(false).finish()).unwrap();
    let postgres = PostgresServer::start().await;
    let redis = RedisServer::start_with(&["--requirepass", "hush-redis"]).await;
    let redis_url = redis.url().replacen("redis://", "redis://:hush-redis@", 1);
    let postgres_url = postgres.url().replacen("postgres@", "postgres:hush-postgres@", 1);
    let scene = Scene::on(&redis_url, &postgres_url, docket_redis::Options::default()).await;
    let _worker = scene.worker_that_looks(Duration::from_millis(500));
    let args = Payload::new("{\"n\":\"hush-args\"}");
    let task = NewTask::new(TaskName::new("other").unwrap(), args);
    scene.commit(Verb::Add, std::slice::from_ref(&task)).await;
    until("it arrives", async || scene.seen.sent().len() == 1).await;
    postgres.kill9();
    let failed =
        |line: &str| line.contains("relaying the outbox failed") && line.contains(&postgres.port().to_string());
    until("it failed", async || text(&log).lines().any(failed)).await;
    assert!(format!("{:?}", scene.store).contains("postgres://***@"));
    let text = text(&log) + &format!("{:?}", scene.store);
    let told: Vec<&str> = text.lines().filter(|line| line.contains("hush-")).collect();
    assert!(told.is_empty(), "{told:#?}");
}

fn text(log: &Log) -> String {
    String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned()
}
