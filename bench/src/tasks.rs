//! The tasks that are timed, and how their runs are counted.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use docket_core::{Context, Failure, Registry, Result, Task, TaskKey};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::report::Faults;
use crate::verbs::Item;

/// The number of the first task. All have as many digits, so that all payloads are of one size.
const FIRST: u64 = 1_000_000;

/// Every run, by the task's number: when it first started, and how often.
pub(crate) struct Tally {
    since: Instant,
    /// Nanoseconds after `since`, and one; 0: it has not started.
    started: Vec<AtomicU64>,
    runs: Vec<AtomicU32>,
    seen: AtomicUsize,
    awaited: AtomicUsize,
    reached: Notify,
    over: Notify,
}

impl Tally {
    /// Of `tasks` tasks, none of which has run.
    pub(crate) fn of(tasks: usize) -> Self {
        Self {
            since: Instant::now(),
            started: std::iter::repeat_with(|| AtomicU64::new(0)).take(tasks).collect(),
            runs: std::iter::repeat_with(|| AtomicU32::new(0)).take(tasks).collect(),
            seen: AtomicUsize::new(0),
            awaited: AtomicUsize::new(usize::MAX),
            reached: Notify::new(),
            over: Notify::new(),
        }
    }

    /// The task of this number runs.
    pub(crate) fn run(&self, track: u64) {
        let place = usize::try_from(track.saturating_sub(FIRST)).unwrap_or(usize::MAX);
        let Some(runs) = self.runs.get(place) else { return };
        if runs.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.started[place].store(nanos.saturating_add(1), Ordering::Release);
        if self.seen.fetch_add(1, Ordering::AcqRel) + 1 >= self.awaited.load(Ordering::Acquire) {
            self.reached.notify_one();
        }
    }

    /// Waits until `count` tasks have started.
    pub(crate) async fn reach(&self, count: usize) {
        self.awaited.store(count, Ordering::Release);
        while self.seen.load(Ordering::Acquire) < count {
            // Bounded: a run may have passed between the two lines above.
            let _ = tokio::time::timeout(Duration::from_millis(100), self.reached.notified()).await;
        }
    }

    /// Ends the tasks that hold.
    pub(crate) fn end(&self) {
        self.over.notify_waiters();
    }

    /// When the task at `place` first started.
    pub(crate) fn started(&self, place: usize) -> Option<Instant> {
        let nanos = self.started[place].load(Ordering::Acquire).checked_sub(1)?;
        Some(self.since + Duration::from_nanos(nanos))
    }

    /// The tasks that did not run, and those that ran twice.
    pub(crate) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        for runs in &self.runs {
            match runs.load(Ordering::Relaxed) {
                0 => faults.lost += 1,
                more => faults.duplicates += u64::from(more - 1),
            }
        }
        faults
    }
}

/// Notes that it started, and is done.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) track_id: u64,
    pub(crate) audio_url: String,
}

impl Note {
    /// The payload of every figure, unless it says otherwise: that of a real task of the first
    /// service.
    pub(crate) fn usual(place: usize) -> Self {
        Self { track_id: FIRST + place as u64, audio_url: "https://audio.example/track/12345.mp3".to_owned() }
    }

    /// One whose JSON has `bytes` bytes.
    pub(crate) fn of_bytes(place: usize, bytes: usize) -> serde_json::Result<Self> {
        let empty = Self { track_id: FIRST + place as u64, audio_url: String::new() };
        let frame = serde_json::to_vec(&empty)?.len();
        Ok(Self { audio_url: "x".repeat(bytes.saturating_sub(frame)), ..empty })
    }

    /// With a key nobody else has.
    pub(crate) fn item(&self) -> serde_json::Result<Item> {
        Ok(Item { key: TaskKey::unique().as_str().to_owned(), args: serde_json::to_vec(self)? })
    }
}

/// `count` of the usual ones.
pub(crate) fn usual(count: usize) -> serde_json::Result<Vec<Item>> {
    (0..count).map(|place| Note::usual(place).item()).collect()
}

/// The number in a payload: its first digits, so that a floor need not decode all of it.
pub(crate) fn track(args: &[u8]) -> u64 {
    let digits = args.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

impl Task for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(self, ctx: Context) -> std::result::Result<(), Failure> {
        ctx.state::<Tally>()?.run(self.track_id);
        Ok(())
    }
}

/// Notes that it started, and takes as long as anybody looks.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hold {
    track_id: u64,
}

impl Hold {
    pub(crate) fn at(place: usize) -> Self {
        Self { track_id: FIRST + place as u64 }
    }
}

impl Task for Hold {
    const NAME: &'static str = "hold";
    type Output = ();

    async fn run(self, ctx: Context) -> std::result::Result<(), Failure> {
        let tally = ctx.state::<Tally>()?;
        let over = tally.over.notified();
        tally.run(self.track_id);
        over.await;
        Ok(())
    }
}

/// One of ten task types that nobody adds.
#[derive(Serialize, Deserialize)]
struct Idle<const N: usize> {}

const IDLE: [&str; 10] = [
    "scan_copyright",
    "transcode_audio",
    "backfill_image",
    "sync_albums",
    "send_mail",
    "move_audio",
    "index_track",
    "export_media",
    "delete_account",
    "sync_blocks",
];

impl<const N: usize> Task for Idle<N> {
    const NAME: &'static str = IDLE[N];
    type Output = ();

    async fn run(self, _ctx: Context) -> std::result::Result<(), Failure> {
        Ok(())
    }
}

/// The two that are added.
pub(crate) fn busy() -> Result<Registry> {
    let mut registry = Registry::new();
    registry.register::<Note>()?.register::<Hold>()?;
    Ok(registry)
}

/// Ten that are not.
pub(crate) fn idle() -> Result<Registry> {
    let mut registry = Registry::new();
    registry.register::<Idle<0>>()?.register::<Idle<1>>()?.register::<Idle<2>>()?.register::<Idle<3>>()?;
    registry.register::<Idle<4>>()?.register::<Idle<5>>()?.register::<Idle<6>>()?.register::<Idle<7>>()?;
    registry.register::<Idle<8>>()?.register::<Idle<9>>()?;
    Ok(registry)
}
