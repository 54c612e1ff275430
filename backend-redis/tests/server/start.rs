//! The check at the start, and the ways to fail before anything works.

use std::time::{Duration, Instant};

use docket_core::{DocketName, Error, ErrorKind, Inspect, QueueBackend, Severity};
use docket_redis::{Options, RedisBackend};
use tokio::net::TcpListener;

use crate::server::Server;
use crate::work::{add, ask, connect, docket, key, keys, take, task};

/// The name look-up, the handshake and the answer together.
const IN_TIME: Duration = Duration::from_secs(5);

async fn refused(url: &str) -> Error {
    let start = Instant::now();
    let error = RedisBackend::connect(url, docket(), Options::default()).await.expect_err("this is refused");
    assert!(start.elapsed() < IN_TIME, "after {:?}", start.elapsed());
    error
}

#[tokio::test]
async fn a_server_that_may_evict_tasks_is_refused_unless_accepted() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let server = Server::start(&["--maxmemory-policy", policy]).await;
        let error = refused(&server.url()).await;
        assert_eq!(error.kind(), ErrorKind::Refused);
        let said = error.to_string();
        assert!(said.contains(policy) && said.contains("noeviction") && said.contains(&server.url()), "{said}");
        let accepting = Options { accept_eviction: true, ..Options::default() };
        let store = RedisBackend::connect(&server.url(), docket(), accepting).await.expect("it was accepted");
        let findings = store.examine().await.expect("the server can be looked at");
        assert!(findings.iter().any(|finding| finding.severity == Severity::Danger && finding.found == policy));
    }
}

#[tokio::test]
async fn a_sound_server_has_nothing_to_say_against_it() {
    let server = Server::start(&[]).await;
    let findings = connect(&server).await.examine().await.expect("the server can be looked at");
    assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
}

#[tokio::test]
async fn a_read_only_copy_is_refused() {
    let server = Server::start(&[]).await;
    server.tell::<()>("REPLICAOF 127.0.0.1 1").await;
    let error = refused(&server.url()).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.is_retryable() && error.to_string().contains("primary"), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let server = Server::start(&["--requirepass", "right-secret"]).await;
    let at = server.url().replace("redis://", "");
    for url in [format!("redis://:wrong-secret@{at}"), format!("redis://joe:wrong-secret@{at}"), server.url()] {
        let error = refused(&url).await;
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(!error.is_retryable());
        let said = format!("{error} {error:?}");
        assert!(said.contains("password") && said.contains(&at) && !said.contains("secret"), "{said}");
    }
    let right = RedisBackend::connect(&format!("redis://:right-secret@{at}"), docket(), Options::default()).await;
    assert!(!format!("{right:?}").contains("right-secret"), "{right:?}");
    right.expect("the right password is taken");
}

/// What hosts give: everything but what is dangerous, on the keys of one docket.
#[tokio::test]
async fn a_user_with_the_keys_of_one_docket_is_enough() {
    let server = Server::start(&[]).await;
    server.tell::<()>("ACL SETUSER joe on >secret ~docket:{test}:* +@all -@dangerous -@admin").await;
    let url = server.url().replace("redis://", "redis://joe:secret@");
    let store = RedisBackend::connect(&url, docket(), Options::default()).await.expect("it may do all it needs");
    add(&store, task("a")).await.unwrap();
    let asked = ask("worker", Duration::from_millis(300));
    assert_eq!(keys(&store.lease(&asked).await.unwrap()), ["a"]);
    assert!(store.lease(&ask("worker", Duration::from_millis(300))).await.unwrap().leases.is_empty());
    let findings = store.examine().await.unwrap();
    assert!(findings.iter().any(|finding| finding.subject == "persistence" && finding.severity == Severity::Warning));
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
    let elsewhere = DocketName::new("elsewhere").unwrap();
    let other = RedisBackend::open(&url, elsewhere, Options::default()).unwrap();
    let error = add(&other, task("a")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("docket:{NAME}:*"), "{error:?}");
}

/// A script that is refused a command in its middle would stop half-way.
#[tokio::test]
async fn a_user_who_may_not_run_a_command_of_the_scripts_is_refused_at_the_start() {
    let server = Server::start(&[]).await;
    server.tell::<()>("ACL SETUSER joe on >secret ~* +@all -zadd").await;
    let error = refused(&server.url().replace("redis://", "redis://joe:secret@")).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("ZADD") && !error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_server_without_a_free_connection_says_so() {
    let server = Server::start(&["--maxclients", "1"]).await;
    let mut clients = Vec::new();
    // The test's own connection may still be closing.
    for _ in 0..20 {
        clients.push(tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = refused(&server.url()).await;
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_said_in_time() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = refused(&format!("redis://:secret@127.0.0.1:{port}")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    let said = format!("{error} {error:?}");
    assert!(said.contains(&format!("127.0.0.1:{port}")) && !said.contains("secret"), "{said}");
}

/// The whole incident was one handshake that was never answered.
#[tokio::test]
async fn a_handshake_that_is_never_answered_is_said_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = refused(&format!("redis://{}", silent.local_addr().unwrap())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said() {
    let server = Server::start(&["--databases", "2"]).await;
    let error = refused(&format!("{}/7", server.url())).await;
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
}

#[tokio::test]
async fn a_service_starts_while_the_server_is_away() {
    let server = Server::start(&[]).await;
    server.kill9();
    let store = RedisBackend::open(&server.url(), docket(), Options::default()).expect("a good URL");
    assert_eq!(add(&store, task("a")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.restart().await;
    add(&store, task("a")).await.expect("the server is back");
}

#[tokio::test]
async fn a_socket_in_the_file_system_and_a_database_number_work() {
    let server = Server::start(&[]).await;
    let url = format!("unix://{}?db=3", server.socket().display());
    let other = RedisBackend::connect(&url, docket(), Options::default()).await.expect("the socket is there");
    add(&other, task("a")).await.unwrap();
    assert_eq!(other.capabilities().scheme, "unix");
    let usual = connect(&server).await;
    assert!(usual.get(&key("a")).await.unwrap().is_none(), "another database is another world");
    assert_eq!(keys(&take(&other).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn names_that_are_alike_do_not_meet() {
    let server = Server::start(&[]).await;
    let stores = dockets(&server, &["plyr", "plyr-stg", "plyr.stg"]).await;
    for store in &stores {
        add(store, task(store.capabilities().docket.as_str())).await.unwrap();
    }
    for store in &stores {
        assert_eq!(keys(&take(store).await.unwrap()), [store.capabilities().docket.as_str()]);
    }
}

async fn dockets(server: &Server, names: &[&str]) -> Vec<RedisBackend> {
    let mut stores = Vec::new();
    for name in names {
        let name = DocketName::new(name).expect("a docket name");
        stores.push(RedisBackend::connect(&server.url(), name, Options::default()).await.expect("it is sound"));
    }
    stores
}
