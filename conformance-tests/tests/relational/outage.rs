//! The server killed, stopped and frozen within a batch, or its tasks locked by another session,
//! while adds come.

use std::time::{Duration, Instant};

use conformance_tests::servers::PostgresServer;
use docket_core::{ErrorKind, Settings};
use futures_util::future::join_all;
use sqlx::{Executor as _, PgConnection};

use crate::scene::{SOON, Scene};
use crate::tasks::Count;

/// Far more than are run before the fault has begun.
const TASKS: usize = 15_000;
/// How long it is down: longer than a client repeats a call.
const AWAY: Duration = Duration::from_secs(6);
/// How long a client's call may take in that time: its patience, and a little more.
const CALL_MAX: Duration = Duration::from_secs(7);

/// A way to be away.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL of all its processes.
    Killed,
    /// `pg_ctl stop -m fast`: open transactions are aborted, and their clients informed.
    Stopped,
    /// It answers nothing, its connections open: a machine that is out of memory, or a cable.
    Frozen,
    /// Another session rewrites the table (`VACUUM FULL`, `ALTER TABLE`): each statement waits, and
    /// `statement_timeout` ends it.
    Locked,
}

impl Fault {
    /// Begins; hold the returned value until the end.
    async fn begin(self, scene: &Scene) -> Option<PgConnection> {
        match self {
            Self::Killed => scene.server.kill9(),
            Self::Stopped => scene.server.stop_fast(),
            Self::Frozen => scene.server.pause(),
            Self::Locked => {
                let mut other = scene.connection().await;
                other.execute("BEGIN; LOCK TABLE docket.task").await.unwrap();
                return Some(other);
            }
        }
        None
    }

    async fn end(self, server: &PostgresServer) {
        match self {
            Self::Killed | Self::Stopped => server.restart().await,
            Self::Frozen => server.resume(),
            Self::Locked => assert!(server.log().contains("due to statement timeout"), "its statements have an end"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_in_the_middle_of_a_batch_loses_nothing() {
    join_all([Fault::Killed, Fault::Stopped, Fault::Frozen, Fault::Locked].map(play)).await;
}

async fn play(fault: Fault) {
    let scene = Scene::new().await;
    // Twice as many hands as there are tasks in a lease: some are leased, some run, some are being settled.
    let settings = Settings { check_interval: Duration::from_secs(1), concurrency: 50, ..Settings::default() };
    let worker = scene.start(settings);
    scene.add::<Count>(0..TASKS).await;
    scene.ran(TASKS / 50, SOON).await;
    let start = Instant::now();
    let ((accepted, errors), ()) = tokio::join!(scene.add_until("during", start + AWAY * 2), async {
        let held = fault.begin(&scene).await;
        assert!(scene.log.len() < TASKS, "it came in the middle");
        tokio::time::sleep(AWAY).await;
        drop(held);
        fault.end(&scene.server).await;
    });
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{fault:?}: {error:?}");
    }
    assert!(!errors.is_empty() && start.elapsed() < AWAY * 2 + CALL_MAX, "each call has an end");
    scene.ran(TASKS + accepted.len(), SOON).await;
    worker.until_ready(SOON).await;
    println!("{fault:?} for {AWAY:?}: {} adds accepted, {} told that it is away", accepted.len(), errors.len());
    scene.settled((0..TASKS).map(|n| format!("k{n}")).chain(accepted)).await;
    worker.stopped().await;
}
