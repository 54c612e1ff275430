//! Shared by the drivers: their arguments, the payload, the counting, and the one line they print.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Any error here ends the driver.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Tasks in one bulk add.
pub const BATCH: usize = 1_000;
const FIRST: u64 = 1_000_000;

/// The payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    pub track_id: u64,
    pub audio_url: String,
}

/// The driver's arguments: URL, number of tasks, concurrency.
pub struct Told {
    pub url: String,
    pub count: usize,
    pub concurrency: usize,
}

struct Runs {
    of: Vec<AtomicU32>,
    seen: AtomicUsize,
    ended: OnceLock<Instant>,
    all: Notify,
}

static RUNS: OnceLock<Runs> = OnceLock::new();

impl Told {
    pub fn read() -> Outcome<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next().ok_or("the arguments are: URL COUNT CONCURRENCY MODE");
        let told = Self { url: next()?, count: next()?.parse()?, concurrency: next()?.parse()? };
        let of = std::iter::repeat_with(|| AtomicU32::new(0)).take(told.count).collect();
        let runs = Runs { of, seen: AtomicUsize::new(0), ended: OnceLock::new(), all: Notify::new() };
        RUNS.set(runs).map_err(|_| "the arguments are read once")?;
        Ok(told)
    }

    pub fn notes(&self) -> Vec<Note> {
        let note =
            |n| Note { track_id: FIRST + n as u64, audio_url: "https://audio.example/track/12345.mp3".to_owned() };
        (0..self.count).map(note).collect()
    }

    /// Waits for the last run, and prints what a driver prints.
    pub async fn finish(&self, added: Duration, began: Instant) -> Outcome {
        let runs = RUNS.get().ok_or("the arguments were read")?;
        while runs.seen.load(Ordering::Acquire) < self.count {
            let _ = tokio::time::timeout(Duration::from_millis(50), runs.all.notified()).await;
        }
        // A task that is still to be settled may now show as a second run.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let ended = *runs.ended.get().ok_or("the last one has run")?;
        let duplicates: u32 = runs.of.iter().map(|n| n.load(Ordering::Relaxed).saturating_sub(1)).sum();
        let rate = |time: Duration| self.count as f64 / time.as_secs_f64();
        let (add, drain) = (rate(added), rate(ended.duration_since(began)));
        println!("{}", serde_json::json!({ "add": add, "drain": drain, "lost": 0, "duplicates": duplicates }));
        Ok(())
    }
}

/// The task: counts and returns.
pub fn run(note: &Note) {
    let Some(runs) = RUNS.get() else { return };
    let Some(count) = runs.of.get((note.track_id - FIRST) as usize) else { return };
    if count.fetch_add(1, Ordering::Relaxed) == 0 && runs.seen.fetch_add(1, Ordering::AcqRel) + 1 == runs.of.len() {
        let _ = runs.ended.set(Instant::now());
        runs.all.notify_one();
    }
}
