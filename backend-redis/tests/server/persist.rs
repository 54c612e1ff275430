//! Whether what was answered for is on the server's disk: asked where the server can tell (Redis 7.2, Valkey).

use std::time::{Duration, Instant};

use docket_core::{ErrorKind, QueueBackend};

use crate::server::Server;
use crate::work::{add, connect, task};

/// Whether this server can tell.
async fn can_tell(server: &Server) -> bool {
    let known: Vec<redis::Value> = server.tell("COMMAND INFO WAITAOF").await;
    matches!(known.first(), Some(redis::Value::Array(_)))
}

async fn asked(server: &Server) -> bool {
    server.tell::<String>("INFO commandstats").await.contains("cmdstat_waitaof:")
}

#[tokio::test]
async fn a_server_that_can_tell_is_asked_and_any_other_is_taken_at_its_word() {
    let server = Server::start(&["--appendfsync", "everysec"]).await;
    let store = connect(&server).await;
    let unknown = store.persist().await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unavailable, "a new connection says nothing of what was before it");
    assert!(unknown.is_retryable());
    for n in 0..3 {
        add(&store, task(&n.to_string())).await.unwrap();
        let start = Instant::now();
        store.persist().await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }
    assert_eq!(asked(&server).await, can_tell(&server).await);
}

/// It may have come back without what it had answered for.
#[tokio::test]
async fn a_server_that_was_started_again_is_not_believed() {
    let server = Server::start(&["--appendfsync", "everysec"]).await;
    let store = connect(&server).await;
    store.persist().await.unwrap_err();
    add(&store, task("a")).await.unwrap();
    store.persist().await.unwrap();
    server.kill9();
    server.restart().await;
    if !can_tell(&server).await {
        return store.persist().await.expect("nothing else can be had of it");
    }
    assert_eq!(store.persist().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.persist().await.unwrap_err().kind(), ErrorKind::Unavailable, "this connection is new");
    add(&store, task("a")).await.unwrap();
    store.persist().await.unwrap();
}
