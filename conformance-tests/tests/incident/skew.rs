//! T10: the store's clock and the workers' are a minute apart. Nothing may notice: delays are sent as durations, leases
//! end by the store's clock, and a worker's own clock decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use docket_core::worker::Alarm;
use docket_core::{TaskState, TestStore, Timestamp};
use futures_util::future::join_all;
use tokio::task::AbortHandle;

use crate::scene::{SHORT, SOON, Scene, Setup, eventually};
use crate::stores::ALL;
use crate::tasks::Hold;

const SKEW: i64 = 60_000_000;
/// How often the docket's clock is moved: coarser than a real one, far finer than any bound here.
const TICK: Duration = Duration::from_millis(10);

/// A docket's clock that runs, `skew` microseconds from this machine's, until dropped.
struct Clock {
    ticking: AbortHandle,
    skew: Arc<AtomicI64>,
}

impl Clock {
    async fn run(store: Arc<dyn TestStore>, skew: i64) -> Self {
        let start = jiff::Timestamp::now().as_microsecond();
        let skew = Arc::new(AtomicI64::new(skew));
        store.set_clock(Timestamp::from_micros(start + skew.load(Relaxed))).await.unwrap();
        let (began, shared) = (Instant::now(), skew.clone());
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let now = Timestamp::from_micros(start + shared.load(Relaxed)).plus(began.elapsed());
                store.set_clock(now).await.unwrap();
            }
        });
        Self { ticking: ticking.abort_handle(), skew }
    }

    fn step(&self, micros: i64) {
        self.skew.fetch_add(micros, Relaxed);
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.ticking.abort();
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
    scene.until("long", TaskState::Completed, Duration::from_secs(10)).await;
    scene.none_ran_twice();
    assert_eq!(scene.view("long").await.crashes, 0);
    for worker in workers {
        assert!(worker.health.is_ready(), "{setup:?}, {skew}: {:?}", worker.health.alarms());
        worker.stopped().await.unwrap();
    }
}

/// A clock that was set back by five minutes stopped every takeover and everything scheduled for five minutes, and one
/// reading a year ahead stopped the docket for a year: ready, and without an alarm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_a_clock_that_is_set_back_stops_nothing_and_is_an_alarm() {
    let minutes = |minutes: i64| minutes * 60_000_000;
    let plays = ALL.map(async |kind| {
        set_back(kind.clocked("set-back").await, 0, minutes(-5)).await;
        set_back(kind.clocked("year-ahead").await, minutes(60 * 24 * 365), minutes(-60 * 24 * 365)).await;
    });
    join_all(plays).await;
}

async fn set_back(store: Arc<dyn TestStore>, before: i64, step: i64) {
    let clock = Clock::run(store.clone(), before).await;
    let scene = Scene::of(store);
    scene.abandon("back", 5, Duration::from_millis(2_500)).await;
    let [worker] = [scene.start(SHORT[0].settings())];
    scene.burst("before", 5).await;
    clock.step(step);
    scene.burst("after", 5).await;
    scene.all_ran(SOON).await;
    scene.none_ran_twice();
    let off = || worker.health.alarms().into_iter().find(|alarm| matches!(alarm, Alarm::ClockOff(_)));
    eventually("the step is an alarm", SOON, async || off()).await;
    assert!(worker.health.is_ready() && worker.health.clock().steps == 1, "{:?}", worker.health.clock());
    let settled = async || scene.store.settle_clock().await.ok();
    let offset = eventually("nothing is leased", SOON, settled).await;
    assert!(offset > Duration::from_secs(200), "{offset:?}");
    eventually("the alarm is over", SOON * 3, async || off().is_none().then_some(())).await;
    worker.stopped().await.unwrap();
}
