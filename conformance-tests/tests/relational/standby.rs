//! The primary dies, and its standby takes over under the same address.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use conformance_tests::proxy::Proxy;
use conformance_tests::servers::PostgresServer;
use docket_core::{Error, NewTask, Payload, Settings, Task as _, TaskName};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::sleep;

use crate::scene::{SOON, Scene, eventually};
use crate::tasks::Count;

/// Far more than are run before the primary dies.
const TASKS: usize = 15_000;
/// How long nobody answers, and then how long the standby answers, but takes no write.
const NOBODY: Duration = Duration::from_secs(2);
const READ_ONLY: Duration = Duration::from_secs(5);
const ADDS: Duration = Duration::from_secs(12);

/// The standby is a synchronous one: it has all that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_has_all_that_was_acknowledged() {
    let primary = PostgresServer::start().await;
    let standby = primary.standby().await;
    let mut asked = PgConnection::connect(&primary.url()).await.unwrap();
    asked.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
    asked.execute("SELECT pg_reload_conf()").await.unwrap();
    asked.close().await.unwrap();
    let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    let proxy = Proxy::before(&primary.url()).await;
    let mut scene = Scene::through(primary, &proxy.url()).await;
    eventually("it is copied", SOON, async || (scene.number(synchronous).await == 1).then_some(())).await;

    let settings = Settings { check_interval: Duration::from_secs(1), concurrency: 50, ..Settings::default() };
    let worker = scene.start(settings);
    scene.add::<Count>(0..TASKS).await;
    scene.ran(TASKS / 50, SOON).await;
    let ((accepted, errors), ()) = tokio::join!(scene.add_until("during", Instant::now() + ADDS), async {
        scene.server.kill9();
        assert!(scene.log.len() < TASKS, "it died in the middle");
        sleep(NOBODY).await;
        proxy.lead_to(standby.port());
        let task = NewTask::new(TaskName::new(Count::NAME).unwrap(), Payload::new("{}"));
        eventually("it is said to be a copy", SOON, async || {
            let error = scene.store.add(from_ref(&task)).await.err()?;
            error.to_string().contains("the server is a read-only copy").then_some(())
        })
        .await;
        sleep(READ_ONLY).await;
        let mut asked = PgConnection::connect(&standby.url()).await.unwrap();
        asked.execute("SELECT pg_promote()").await.unwrap();
    });
    assert!(!errors.is_empty(), "each call has an end");
    assert!(errors.iter().all(Error::is_retryable), "{errors:?}");
    println!("{} adds accepted, {} not", accepted.len(), errors.len());
    scene.server = standby;
    scene.ran(TASKS + accepted.len(), SOON).await;
    worker.until_ready(SOON).await;
    scene.settled((0..TASKS).map(|n| format!("k{n}")).chain(accepted)).await;
    worker.stopped().await;
}
