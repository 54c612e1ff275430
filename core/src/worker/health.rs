//! The worker's sign of life: the store's answers, not a timer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Alarm;
use super::gate::Gate;
use crate::{Clock, Error, LeaseReply, Queue, Settings, TaskKey, TaskName, Timing, repeat};

/// The supervised loops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loop {
    Fetch,
    Settle,
    Heartbeat,
    Watchdog,
    /// The loop of the store, if it has one.
    Companion,
    /// Seeding. It can fail but has no sign of life: work goes on without it.
    Periodic,
}

impl Loop {
    pub(super) const COUNT: usize = 6;
    pub(super) const ALL: [Self; Self::COUNT] =
        [Self::Fetch, Self::Settle, Self::Heartbeat, Self::Watchdog, Self::Companion, Self::Periodic];
}

/// The longest the watchdog may go without a look: now and then it asks the store two questions,
/// each with a deadline.
const WATCH_MAX: Duration = Duration::from_secs(25);
/// A store that is merely slow for so long shuts no gate, however short the renewals.
const SHUT_MIN: Duration = Duration::from_millis(500);
/// A call reports its missed deadline a little later.
const UNHEARD_MARGIN: Duration = Duration::from_secs(2);

/// Whether an error has not been logged yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    Yes,
    No,
}

impl News {
    /// Whether `error` differs from the last one, which it replaces.
    pub(super) fn of(last: &mut Option<String>, error: &Error) -> Self {
        let text = error.to_string();
        if last.as_ref() == Some(&text) {
            return Self::No;
        }
        *last = Some(text);
        Self::Yes
    }
}

/// The known state of a worker.
#[derive(Debug)]
pub struct Health {
    /// The longest a fetch with a free slot may go unanswered.
    fetch_max: Duration,
    /// The longest a worker with leases may go without a renewal.
    beat_max: Duration,
    oldest_ready_alarm: Duration,
    /// The name of the store's companion, if it has one.
    companion: Option<&'static str>,
    pub(super) gate: Gate,
    companion_asked: Notify,
    facts: Mutex<Facts>,
}

#[derive(Debug)]
struct Facts {
    progress: [Instant; Loop::COUNT],
    /// When a loop last gave a sign: progress, an error, or its restart by the watchdog. A loop
    /// that keeps failing is not alive, but a restart would not help: the store is down, and the
    /// loop retries.
    heard_of: [Instant; Loop::COUNT],
    failure: [Option<String>; Loop::COUNT],
    /// Since when the settling loop owes the store an outcome.
    unsettled_since: Option<Instant>,
    full_since: Option<Instant>,
    fetched: bool,
    wedged_for: Option<Duration>,
    /// Ready work of this worker's names that an answered lease call left behind, and since when it was that old.
    oldest_ready: Option<(Duration, Instant)>,
    unserved: Vec<(Queue, TaskName, Duration)>,
    /// The docket's time relative to the store's clock, once known.
    clock: Option<Clock>,
    /// The reason why periodic tasks do not run.
    periodic: BTreeMap<TaskKey, Alarm>,
    /// Whether each periodic task was tried to seed, or there is none.
    seeded: bool,
    /// Runs that were given up while their code blocks, and since when.
    blocked: BTreeMap<u64, (TaskName, Instant)>,
    blocked_next: u64,
    /// The age of the oldest task that the companion has yet to bring in, and when that was
    /// reported.
    companion_waits: Option<(Duration, Instant)>,
}

/// A worker's health, from outside. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HealthHandle(pub(super) Arc<Health>);

impl HealthHandle {
    /// Whether the worker is alive: for a readiness probe.
    pub fn is_ready(&self) -> bool {
        !self.alarms().iter().any(Alarm::is_unready)
    }

    /// Every condition that a person should look at now.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.0.alarms()
    }

    /// The docket's time relative to the store's clock, and how often that clock went back; zero
    /// until the store has answered.
    pub fn clock(&self) -> Clock {
        self.0.facts().clock.unwrap_or_default()
    }

    /// How long the oldest task that the store's companion has yet to bring in has waited: for an
    /// outbox, its oldest row.
    pub fn oldest_waiting(&self) -> Option<Duration> {
        self.0.oldest_waiting()
    }
}

impl Health {
    pub(super) fn new(settings: &Settings, timing: Timing, companion: Option<&'static str>) -> Self {
        let now = Instant::now();
        Self {
            fetch_max: settings.check_interval + repeat::CALL_MAX,
            beat_max: timing.lease,
            oldest_ready_alarm: settings.oldest_ready_alarm,
            companion,
            gate: Gate::new(timing.renewal.max(SHUT_MIN)),
            companion_asked: Notify::new(),
            facts: Mutex::new(Facts {
                progress: [now; Loop::COUNT],
                heard_of: [now; Loop::COUNT],
                failure: [const { None }; Loop::COUNT],
                unsettled_since: None,
                full_since: None,
                fetched: false,
                wedged_for: None,
                oldest_ready: None,
                unserved: Vec::new(),
                clock: None,
                periodic: BTreeMap::new(),
                seeded: false,
                blocked: BTreeMap::new(),
                blocked_next: 0,
                companion_waits: None,
            }),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Each fact stands alone; a panic cannot leave them half changed.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store answered a lease call that had room for this many.
    pub(super) fn answered(&self, reply: &LeaseReply, room: usize) {
        let mut facts = self.facts();
        facts.full_since = None;
        facts.fetched = true;
        // Work left behind with room to spare is a contradiction; work left behind by a full worker
        // is a backlog. Both are waiting work, and both are too old at some point.
        let left = reply.oldest_ready.filter(|_| reply.leases.len() <= room);
        facts.oldest_ready = left.map(|age| (age, Instant::now()));
        drop(facts);
        self.progressed(Loop::Fetch);
    }

    /// Notes the docket's time relative to the store's clock; returns the previous value.
    pub(super) fn clock(&self, clock: Clock) -> Option<Clock> {
        self.facts().clock.replace(clock)
    }

    /// Whether any lease call has been answered.
    pub(super) fn has_fetched(&self) -> bool {
        self.facts().fetched
    }

    /// Every slot is taken: the heartbeat is the sign of life until one is free.
    pub(super) fn full(&self) {
        self.facts().full_since.get_or_insert_with(Instant::now);
    }

    /// A slot is free again: from now on the next answered lease call is due.
    pub(super) fn freed(&self) {
        let mut facts = self.facts();
        if facts.full_since.take().is_some() {
            facts.progress[Loop::Fetch as usize] = Instant::now();
        }
    }

    pub(super) fn progressed(&self, which: Loop) {
        let mut facts = self.facts();
        facts.progress[which as usize] = Instant::now();
        facts.heard_of[which as usize] = Instant::now();
        facts.failure[which as usize] = None;
        match which {
            Loop::Heartbeat => facts.wedged_for = None,
            Loop::Settle => facts.unsettled_since = None,
            Loop::Fetch | Loop::Watchdog | Loop::Companion | Loop::Periodic => {}
        }
    }

    /// A loop failed, and goes on. Returns whether it had not failed like that since its last
    /// progress: a repeated failure is one log line, and an alarm.
    pub(super) fn failed(&self, which: Loop, error: &Error) -> News {
        let mut facts = self.facts();
        facts.heard_of[which as usize] = Instant::now();
        News::of(&mut facts.failure[which as usize], error)
    }

    /// There is an outcome to settle: from now on an answered ack is due.
    pub(super) fn unsettled(&self) {
        self.facts().unsettled_since.get_or_insert_with(Instant::now);
    }

    /// Whether an outcome waits for its answer.
    pub(super) fn owes_an_outcome(&self) -> bool {
        self.facts().unsettled_since.is_some()
    }

    /// The outcomes that were owed have been given up, and logged.
    pub(super) fn owes_nothing(&self) {
        self.facts().unsettled_since = None;
    }

    /// A look at the store found ready work of this worker's names that is this old, while the
    /// worker is too full to ask for it.
    pub(super) fn left_waiting(&self, age: Option<Duration>) {
        self.facts().oldest_ready = age.map(|age| (age, Instant::now()));
    }

    pub(super) fn wedged(&self, silent: Duration) {
        self.facts().wedged_for = Some(silent);
    }

    pub(super) fn unserved(&self, unserved: Vec<(Queue, TaskName, Duration)>) {
        self.facts().unserved = unserved;
    }

    /// The alarm of a periodic task, if any.
    pub(super) fn periodic(&self, key: &TaskKey, alarm: Option<Alarm>) {
        let mut facts = self.facts();
        match alarm {
            Some(alarm) => facts.periodic.insert(key.clone(), alarm),
            None => facts.periodic.remove(key),
        };
    }

    pub(super) fn seeded(&self) {
        self.facts().seeded = true;
    }

    pub(super) fn has_seeded(&self) -> bool {
        self.facts().seeded
    }

    /// A run of this name was given up while its code blocks. The number is for [`Health::blocks_no_more`].
    pub(super) fn blocks(&self, name: TaskName) -> u64 {
        let mut facts = self.facts();
        facts.blocked_next += 1;
        let id = facts.blocked_next;
        facts.blocked.insert(id, (name, Instant::now()));
        id
    }

    pub(super) fn blocks_no_more(&self, id: u64) {
        self.facts().blocked.remove(&id);
    }

    pub(super) fn companion_waits(&self, oldest: Option<Duration>) {
        self.facts().companion_waits = oldest.map(|age| (age, Instant::now()));
    }

    /// Has the companion look now.
    pub(super) fn ask_companion(&self) {
        self.companion_asked.notify_one();
    }

    /// Ends when the companion is asked to poll.
    pub(super) async fn companion_asked(&self) {
        self.companion_asked.notified().await;
    }

    pub(super) fn oldest_waiting(&self) -> Option<Duration> {
        self.facts().companion_waits.map(|(age, seen)| age + seen.elapsed())
    }

    /// The name of `which` in logs and alarms.
    pub(super) fn name(&self, which: Loop) -> &'static str {
        match which {
            Loop::Fetch => "fetch",
            Loop::Settle => "settle",
            Loop::Heartbeat => "heartbeat",
            Loop::Watchdog => "watchdog",
            Loop::Companion => self.companion.unwrap_or("companion"),
            Loop::Periodic => "periodic",
        }
    }

    /// How long `which` may make no progress.
    fn bound(&self, which: Loop) -> Duration {
        match which {
            Loop::Fetch | Loop::Companion | Loop::Periodic => self.fetch_max,
            Loop::Heartbeat => self.beat_max,
            Loop::Settle => repeat::CALL_MAX,
            Loop::Watchdog => WATCH_MAX,
        }
    }

    /// How long `which` has made no progress, if that is longer than allowed.
    fn stalled(&self, facts: &Facts, which: Loop) -> Option<Duration> {
        let silent = match which {
            Loop::Fetch if facts.full_since.is_some() => return None,
            Loop::Companion if self.companion.is_none() => return None,
            Loop::Periodic => return None,
            // It waits for work, and is watched by the outcomes it has not settled.
            Loop::Settle => facts.unsettled_since?.elapsed(),
            Loop::Fetch | Loop::Heartbeat | Loop::Watchdog | Loop::Companion => {
                facts.progress[which as usize].elapsed()
            }
        };
        (silent > self.bound(which)).then_some(silent)
    }

    /// Loops that have made no progress and reported no error. Each is returned at most once per
    /// stall period.
    pub(super) fn take_stalled(&self) -> Vec<(Loop, Duration)> {
        let mut facts = self.facts();
        let stalled = Loop::ALL.into_iter().filter_map(|which| {
            let silent = self.stalled(&facts, which)?;
            let unheard = facts.heard_of[which as usize].elapsed();
            (unheard > self.bound(which) + UNHEARD_MARGIN).then_some((which, silent))
        });
        let stalled: Vec<_> = stalled.collect();
        for (which, _) in &stalled {
            facts.heard_of[*which as usize] = Instant::now();
        }
        stalled
    }

    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let facts = self.facts();
        let stalled = Loop::ALL.into_iter().filter_map(|which| Some((which, self.stalled(&facts, which)?)));
        let mut alarms: Vec<Alarm> = stalled
            .map(|(which, silent)| Alarm::Stalled {
                name: self.name(which),
                silent,
                error: facts.failure[which as usize].clone(),
            })
            .collect();
        alarms.extend(facts.wedged_for.map(Alarm::Wedged));
        alarms.extend(self.gate.alarms().into_iter().map(|shut| Alarm::HeldBack {
            what: shut.what,
            silent: shut.silent,
            // Before the docket is joined neither is tried; the join is what fails.
            error: shut.error.or_else(|| facts.failure[Loop::Fetch as usize].clone()),
        }));
        let mut blocked: BTreeMap<&TaskName, (usize, Duration)> = BTreeMap::new();
        for (name, since) in facts.blocked.values() {
            let (count, age) = blocked.entry(name).or_default();
            *count += 1;
            *age = since.elapsed().max(*age);
        }
        alarms.extend(blocked.into_iter().map(|(name, (count, age))| Alarm::Blocked(name.clone(), count, age)));
        if let Some((age, seen)) = facts.oldest_ready
            && age + seen.elapsed() > self.oldest_ready_alarm
        {
            alarms.push(Alarm::OldestReady(age + seen.elapsed()));
        }
        let unserved = facts.unserved.iter().cloned();
        alarms.extend(unserved.map(|(queue, name, age)| Alarm::Unserved(queue, name, age)));
        alarms.extend(facts.clock.filter(|clock| clock.is_off()).map(|clock| Alarm::ClockOff(clock.offset)));
        alarms.extend(facts.periodic.values().cloned());
        if let (Some(name), Some((age, seen))) = (self.companion, facts.companion_waits)
            && age + seen.elapsed() > self.oldest_ready_alarm
        {
            alarms.push(Alarm::Waiting(name, age + seen.elapsed()));
        }
        alarms
    }
}
