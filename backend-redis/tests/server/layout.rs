//! A call of one build on a docket of another, and a password that changes while a handle is open.

use conformance_tests::layout::{before, every_write_is_refused};
use docket_core::{DocketName, ErrorKind, Inspect, QueueBackend, Severity, UrlSource};
use docket_redis::{Options, RedisBackend};

use crate::server::Server;
use crate::work::{add, connect, docket, take, task};

/// Every key of the docket, as the server would hand it to another.
async fn contents(server: &Server) -> Vec<(String, Vec<u8>)> {
    let mut keys: Vec<String> = server.tell("KEYS docket:*").await;
    keys.sort();
    let mut contents = Vec::new();
    for key in keys {
        let dumped = server.tell(&format!("DUMP {key}")).await;
        contents.push((key, dumped));
    }
    contents
}

#[tokio::test]
async fn every_call_compares_the_layout_before_it_writes() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    let was = before(&store).await;
    let ours: String = server.tell("HGET docket:{test}:meta layout").await;
    server.tell::<()>("HSET docket:{test}:meta layout 99").await;
    let rows = contents(&server).await;
    every_write_is_refused(&store, &was, ["layout is 99", &format!("reads {ours}")]).await;
    assert!(contents(&server).await == rows, "nothing was changed");
    let findings = store.examine().await.unwrap();
    let finding = findings.iter().find(|finding| finding.subject == "layout").unwrap();
    assert!(finding.severity == Severity::Danger && finding.found.contains("99"), "{finding:?}");
    let error = RedisBackend::connect(&server.url(), docket(), Options::default()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("99"), "{error}");
}

/// The first add to a docket used to come from no worker, so nothing noted the layout: a newer
/// build then took the docket for its own.
#[tokio::test]
async fn whoever_writes_first_notes_the_layout() {
    let server = Server::start(&[]).await;
    add(&connect(&server).await, task("a")).await.unwrap();
    let other = DocketName::new("other").unwrap();
    let other = RedisBackend::connect(&server.url(), other, Options::default()).await.unwrap();
    take(&other).await.unwrap();
    for docket in ["test", "other"] {
        let layout: Option<i64> = server.tell(&format!("HGET docket:{{{docket}}}:meta layout")).await;
        assert!(layout.is_some(), "{docket}");
    }
}

#[tokio::test]
async fn a_new_password_is_read_from_the_file_at_the_next_connection() {
    let server = Server::start(&[]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |password: &str| {
        let url = server.url().replace("://", &format!("://:{password}@"));
        std::fs::write(file.path(), url + "\n").unwrap();
    };
    server.tell::<()>("CONFIG SET requirepass one").await;
    write("one");
    let url = UrlSource::File(file.path().to_owned());
    let store = RedisBackend::connect_at(url, docket(), Options::default()).await.unwrap();
    let worker = store.fork();
    add(&store, task("a")).await.unwrap();

    let client = redis::Client::open(server.url().replace("://", "://:one@")).unwrap();
    let mut operator = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("two").exec_async(&mut operator).await.unwrap();
    // Every connection that logged in before is cut, but for the operator's.
    redis::cmd("CLIENT").arg("KILL").arg("SKIPME").arg("yes").exec_async(&mut operator).await.unwrap();
    let error = add(&store, task("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(!format!("{error:?}").contains("one"), "{error:?}");
    write("two");
    add(&store, task("b")).await.unwrap();
    assert_eq!(take(&*worker).await.unwrap().leases.len(), 2);
}
