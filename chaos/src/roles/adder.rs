//! An adder: adds tasks at a steady rate until it is asked to end.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Add, Client, Failure, Store};
use docket_postgres::InTransaction as _;
use fastrand::Rng;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::tasks::{NewWork, Work};
use super::{Build, Common, Sabotage};
use crate::Outcome;
use crate::ledger::{Event, Ledger};
use crate::store::open;
use crate::time::micros;

/// The most concurrent adds: those to a store that is down wait for their patience.
const UNDER_WAY_MAX: usize = 100;
/// The time between the add and the COMMIT of a transaction: most of the transaction, so that a
/// process is most likely stopped there.
const HELD: Duration = Duration::from_millis(150);
/// How long a transaction may take.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);

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
    /// Adds each in a transaction of its own, which stays open for a while.
    #[arg(long)]
    in_transaction: bool,
}

/// How tasks get into the store.
enum Way {
    Call(Client),
    Transaction(Client, PgPool),
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
        Self { common, seed, rate, in_transaction: false }
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
        let way = Arc::new(if self.in_transaction {
            let pool = PgPoolOptions::new().acquire_timeout(TRANSACTION_MAX).connect_lazy(&self.common.url)?;
            Way::Transaction(client, pool)
        } else {
            Way::Call(client)
        });
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
            let (draft, way, ledger) = (draw(&mut rng), Arc::clone(&way), Arc::clone(&ledger));
            let (build, lose) = (self.common.build, self.common.sabotage == Sabotage::LoseAdds && n % 20 == 19);
            adds.spawn(async move {
                add(&way, &ledger, build, key, draft, lose).await;
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

async fn add(way: &Way, ledger: &Ledger, build: Build, key: String, draft: Draft, lose: bool) {
    ledger.write(Event::Adding { key: key.clone(), delay: micros(draft.delay) });
    let answer = match way {
        _ if lose => Ok(()),
        Way::Call(client) => sending(client, build, &key, draft).await.map(drop).map_err(text),
        Way::Transaction(client, pool) => {
            let call = add_in_transaction(pool, sending(client, build, &key, draft));
            let answer = timeout(TRANSACTION_MAX, call).await.unwrap_or_else(|_| Err("no answer".into()));
            answer.map_err(|error| error.to_string())
        }
    };
    ledger.write(match answer {
        Ok(()) => Event::Added { key },
        Err(error) => Event::Refused { key, error },
    });
}

fn sending(client: &Client, build: Build, key: &str, draft: Draft) -> Add {
    let Draft { millis, fails, delay } = draft;
    match build {
        Build::Old => client.add(Work { millis, fails }),
        Build::New => client.add(NewWork { millis, fails, note: "new".to_owned() }),
    }
    .key(key)
    .after(delay)
}

/// Like a service that does other things between the add and the COMMIT.
async fn add_in_transaction(pool: &PgPool, add: Add) -> Outcome {
    let mut transaction = pool.begin().await?;
    add.in_transaction(&mut transaction).await?;
    tokio::time::sleep(HELD).await;
    Ok(transaction.commit().await?)
}

/// The whole chain of causes.
fn text(error: docket_core::Error) -> String {
    Failure::from(error).to_string()
}
