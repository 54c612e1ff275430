//! T10: the store's clock and the workers' are a minute apart. Nothing may notice: delays are sent as durations, leases
//! end by the store's clock, and a worker's own clock decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{TestStore, Timestamp};
use futures_util::future::join_all;
use tokio::task::AbortHandle;

use crate::scene::{SHORT, SOON, Scene, Setup};
use crate::stores::ALL;
use crate::tasks::Hold;

const SKEW: i64 = 60_000_000;
/// How often the docket's clock is moved: coarser than a real one, far finer than any bound here.
const TICK: Duration = Duration::from_millis(10);

/// A docket's clock that runs, `skew` microseconds from this machine's, until dropped.
struct Clock(AbortHandle);

impl Clock {
    async fn run(store: Arc<dyn TestStore>, skew: i64) -> Self {
        let start = jiff::Timestamp::now().as_microsecond() + skew;
        store.set_clock(Timestamp::from_micros(start)).await.unwrap();
        let began = Instant::now();
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                store.set_clock(Timestamp::from_micros(start).plus(began.elapsed())).await.unwrap();
            }
        });
        Self(ticking.abort_handle())
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_a_clock_that_is_a_minute_off_steals_nothing_and_loses_nothing() {
    let mut plays = Vec::new();
    for skew in [-SKEW, SKEW] {
        for setup in SHORT {
            for kind in ALL {
                plays.push(play(kind.clocked("skew").await, setup, skew));
            }
        }
    }
    join_all(plays).await;
}

async fn play(store: Arc<dyn TestStore>, setup: Setup, skew: i64) {
    let _clock = Clock::run(store.clone(), skew).await;
    let scene = Scene::of(store);
    scene.abandon("skew", 10, Duration::from_millis(2_500)).await;
    let workers = scene.start_all(setup);
    scene.burst("skew", 20).await;
    // Two leases long, where the lease is the shortest: renewals must keep it.
    scene.add(&scene.client, Hold { millis: 5_000, stubborn: false }, "long", Duration::ZERO).await.unwrap();
    scene.all_ran(SOON).await;
    scene.until("long", docket_core::State::Completed, Duration::from_secs(10)).await;
    scene.none_ran_twice();
    assert_eq!(scene.view("long").await.crashes, 0);
    for worker in workers {
        assert!(worker.health.is_ready(), "{setup:?}, {skew}: {:?}", worker.health.alarms());
        worker.stopped().await.unwrap();
    }
}
