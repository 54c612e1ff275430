//! The tasks that are timed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use docket_core::{Context, Failure, Task};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// When each run started, by key; whoever waits is told.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    at: Mutex<HashMap<String, Vec<Instant>>>,
    more: Notify,
}

impl Starts {
    fn record(&self, key: &str) {
        let now = Instant::now();
        self.at.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default().push(now);
        self.more.notify_one();
    }

    /// Every start so far.
    pub(crate) fn all(&self) -> HashMap<String, Vec<Instant>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first start of `key`.
    pub(crate) async fn of(&self, key: &str) -> Instant {
        loop {
            let started = self.at.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(|starts| starts[0]);
            if let Some(started) = started {
                return started;
            }
            self.more.notified().await;
        }
    }

    /// Waits until `count` keys have started.
    pub(crate) async fn reach(&self, count: usize) {
        while self.at.lock().unwrap_or_else(PoisonError::into_inner).len() < count {
            self.more.notified().await;
        }
    }
}

/// Notes that it started, and is done.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) track_id: u64,
    pub(crate) audio_url: String,
}

impl Note {
    /// The payload of the figures in `docs`: what a real task of the first service carries.
    pub(crate) fn usual() -> Self {
        Self { track_id: 12_345, audio_url: "https://audio.example/track/12345.mp3".to_owned() }
    }
}

#[async_trait]
impl Task for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Starts>()?.record(ctx.key().as_str());
        Ok(())
    }
}

/// Notes that it started, and takes longer than anybody looks.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hold {}

#[async_trait]
impl Task for Hold {
    const NAME: &'static str = "hold";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Starts>()?.record(ctx.key().as_str());
        tokio::time::sleep(Duration::from_mins(5)).await;
        Ok(())
    }
}
