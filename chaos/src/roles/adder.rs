//! An adder: adds tasks at a steady rate until it is asked to end.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Client, Failure, Store};
use fastrand::Rng;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::tasks::{NewWork, Work};
use super::{Build, Common, Sabotage};
use crate::Outcome;
use crate::ledger::{Event, Ledger};
use crate::store::open;
use crate::time::micros;

/// The most concurrent adds: those to a store that is down wait for their patience.
const UNDER_WAY_MAX: usize = 100;

/// An adder's arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Adder {
    #[command(flatten)]
    common: Common,
    /// The seed of its tasks.
    #[arg(long)]
    seed: u64,
    /// Tasks added a second.
    #[arg(long)]
    rate: u32,
}

/// A task to add.
#[derive(Clone, Copy, Debug)]
struct Draft {
    millis: u64,
    fails: u32,
    delay: Duration,
}

impl Adder {
    /// An adder of this many tasks per second.
    pub fn new(common: Common, seed: u64, rate: u32) -> Self {
        Self { common, seed, rate }
    }

    /// Runs it on its own connections, until it is asked to end (SIGTERM).
    pub async fn run(self) -> Outcome {
        let mut asked = signal(SignalKind::terminate())?;
        let store = loop {
            match open(&self.common.url, self.common.docket.clone()).await {
                Ok(store) => break store,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        let stop = async move {
            // Nothing comes only when no signal can come any more.
            let _ = asked.recv().await;
        };
        self.run_on(store, stop).await
    }

    /// Runs it on this store until `stop`, and waits for the pending adds.
    pub async fn run_on(self, store: Arc<dyn Store>, stop: impl Future<Output = ()>) -> Outcome {
        let ledger = Arc::new(self.common.ledger()?);
        let client = Client::new(store);
        let mut rng = Rng::with_seed(self.seed);
        let period = Duration::from_secs(1) / self.rate;
        let mut ticks = interval_at(Instant::now(), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let room = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let mut adds = JoinSet::new();
        tokio::pin!(stop);
        for n in 0_u64.. {
            tokio::select! {
                _ = ticks.tick() => {}
                () = &mut stop => break,
            }
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
            let key = format!("{}.{n}", self.common.name);
            let (draft, client, ledger) = (draw(&mut rng), client.clone(), Arc::clone(&ledger));
            let (build, lose) = (self.common.build, self.common.sabotage == Sabotage::LoseAdds && n % 20 == 19);
            adds.spawn(async move {
                add(&client, &ledger, build, key, draft, lose).await;
                drop(place);
            });
            while adds.try_join_next().is_some() {}
        }
        adds.join_all().await;
        Ok(())
    }
}

/// Mostly short, some longer than several leases; some fail at first, some are for later.
fn draw(rng: &mut Rng) -> Draft {
    let millis = match rng.u32(0..100) {
        0 => rng.u64(5_000..9_000),
        1..=3 => rng.u64(2_000..5_000),
        4..=18 => rng.u64(200..1_000),
        _ => rng.u64(5..50),
    };
    let fails = if rng.u32(0..10) == 0 { rng.u32(1..3) } else { 0 };
    let delay = if rng.u32(0..4) == 0 { rng.u64(100..2_000) } else { 0 };
    Draft { millis, fails, delay: Duration::from_millis(delay) }
}

async fn add(client: &Client, ledger: &Ledger, build: Build, key: String, draft: Draft, lose: bool) {
    let Draft { millis, fails, delay } = draft;
    ledger.write(Event::Adding { key: key.clone(), delay: micros(delay) });
    let answer = match build {
        _ if lose => Ok(None),
        Build::Old => client.add(Work { millis, fails }).key(&key).after(delay).await.map(Some),
        Build::New => {
            let note = "new".to_owned();
            client.add(NewWork { millis, fails, note }).key(&key).after(delay).await.map(Some)
        }
    };
    ledger.write(match answer {
        Ok(_) => Event::Added { key },
        Err(error) => Event::Refused { key, error: text(error) },
    });
}

/// The whole chain of causes.
fn text(error: docket_core::Error) -> String {
    Failure::from(error).to_string()
}
