//! Playing one sequence on the model and on a store, and comparing their answers.

use docket_core::{
    DocketName, Fence, LeaseToken, ListFilter, Parcel, TaskKey, TaskView, TestStore, Timestamp, WorkerView, limits,
};

use super::answer::{Answer, Fences};
use super::issue::{Issued, Issuer, Known, key, keys};
use super::op::{Call, Fate, Op};
use crate::model::{CRASH_LIMIT, ModelStore};

/// Where the clock starts.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A model and a store that got the same calls so far.
struct Play<'a> {
    model: ModelStore,
    store: &'a dyn TestStore,
    now: Timestamp,
    issuer: Issuer,
    fences: Fences,
    /// The tokens that some caller got.
    tokens: Vec<LeaseToken>,
    /// The parcels that some caller got.
    parcels: Vec<Parcel>,
    /// The calls sent, and when.
    sent: Vec<(Timestamp, Issued)>,
}

/// Plays `ops` on the model and on `store`, which must be empty and whose clock must not be set.
///
/// # Errors
///
/// The first difference, with the call that showed it.
pub(super) async fn play(ops: &[Op], store: &dyn TestStore) -> Result<(), String> {
    let docket = DocketName::default();
    let mut play = Play {
        model: ModelStore::new(docket, None),
        store,
        now: START,
        issuer: Issuer::default(),
        fences: Fences::default(),
        tokens: Vec::new(),
        parcels: Vec::new(),
        sent: Vec::new(),
    };
    play.set_clocks().await?;
    for op in ops {
        play.step(op).await?;
    }
    play.compare_everything().await
}

impl Play<'_> {
    fn both(&self) -> [&dyn TestStore; 2] {
        [&self.model, self.store]
    }

    async fn set_clocks(&self) -> Result<(), String> {
        for store in self.both() {
            store.set_clock(self.now).await.map_err(said)?;
        }
        Ok(())
    }

    async fn step(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Advance(by) => {
                self.now = self.now.plus(*by);
                self.set_clocks().await
            }
            Op::Send { call, fate } => {
                let fence = match call {
                    Call::Requeue { key: at } => self.fence_of(&key(*at)).await?,
                    _ => None,
                };
                let issued = self
                    .issuer
                    .issue(call, &Known { now: self.now, tokens: &self.tokens, parcels: &self.parcels, fence });
                self.sent.push((self.now, issued.clone()));
                if *fate == Fate::Delayed { Ok(()) } else { self.deliver(&issued, *fate).await }
            }
            Op::Again { back } => {
                let at = self.sent.len().checked_sub(back % self.sent.len().max(1) + 1);
                let Some((sent, issued)) = at.map(|at| self.sent[at].clone()) else { return Ok(()) };
                // A packet older than the memory of requests is nobody's promise.
                if self.now.since(sent) >= limits::REQUEST_MEMORY {
                    return Ok(());
                }
                self.deliver(&issued, Fate::Answered).await
            }
        }
    }

    async fn deliver(&mut self, call: &Issued, fate: Fate) -> Result<(), String> {
        let ours = Answer::of(&self.model, call).await.map_err(said)?;
        let mut theirs = Answer::of(self.store, &self.fences.translate(call)).await.map_err(said)?;
        let paired = self.fences.pair(&ours, &mut theirs);
        if ours != theirs {
            return Err(format!("{}\nthe model: {ours:#?}\nthe store: {theirs:#?}", story(self.now, call)));
        }
        paired.map_err(|what| format!("{}\n{what}", story(self.now, call)))?;
        if let Issued::Requeue(key, _) = call {
            self.learn_what_was_drawn(key).await?;
        }
        if fate == Fate::Answered {
            self.tokens.extend(ours.leases().iter().map(|lease| lease.token.clone()));
            self.parcels.extend_from_slice(ours.parcels());
        }
        Ok(())
    }

    /// A requeue draws a fence that only the record shows.
    async fn learn_what_was_drawn(&mut self, key: &TaskKey) -> Result<(), String> {
        let [ours, theirs] = self.both().map(|store| store.get(key));
        let (ours, theirs) = (ours.await.map_err(said)?, theirs.await.map_err(said)?);
        match (ours.and_then(|view| view.fence), theirs.and_then(|view| view.fence)) {
            (Some(ours), Some(theirs)) => self.fences.learn(ours, theirs),
            _ => Ok(()),
        }
    }

    async fn fence_of(&self, key: &TaskKey) -> Result<Option<Fence>, String> {
        use docket_core::Inspect;
        Ok(self.model.get(key).await.map_err(said)?.and_then(|view| view.fence))
    }

    /// Every record, the counts, the list, the workers, and whether the store thinks itself sound.
    async fn compare_everything(&self) -> Result<(), String> {
        for key in keys() {
            let [ours, theirs] = self.both().map(|store| store.get(&key));
            let (ours, theirs) = (ours.await.map_err(said)?, theirs.await.map_err(said)?);
            let theirs = theirs.map(|view| self.in_words_of_the_model(view));
            same(&format!("the record of {key}"), &ours, &theirs)?;
        }
        let mut seen = Vec::new();
        for store in self.both() {
            let defects = store.audit().await.map_err(said)?;
            if !defects.is_empty() {
                return Err(format!("{store:?} is not sound: {defects:#?}"));
            }
            seen.push((listed(store).await?, counted(store).await?, workers(store).await?));
        }
        same("list", &seen[0].0, &seen[1].0)?;
        same("counts", &seen[0].1, &seen[1].1)?;
        same("workers", &seen[0].2, &seen[1].2)
    }

    fn in_words_of_the_model(&self, view: TaskView) -> TaskView {
        // Each store words the end at a crash limit as it likes.
        let kept = |error: &str| error.starts_with("failure") || error.starts_with("moved to");
        let error = view.error.map(|error| if kept(&error) { error } else { CRASH_LIMIT.to_owned() });
        TaskView { fence: view.fence.map(|fence| self.fences.of_model(fence).unwrap_or(fence)), error, ..view }
    }
}

async fn listed(store: &dyn TestStore) -> Result<Vec<TaskKey>, String> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list(&ListFilter::default(), cursor.as_ref(), 2).await.map_err(said)?;
        keys.extend(page.tasks.into_iter().map(|task| task.key));
        cursor = page.next;
        if cursor.is_none() {
            keys.sort();
            return Ok(keys);
        }
    }
}

async fn counted(store: &dyn TestStore) -> Result<Vec<String>, String> {
    let lanes = store.counts().await.map_err(said)?;
    let mut counts: Vec<String> = lanes.iter().map(|lane| format!("{lane:?}")).collect();
    counts.sort();
    Ok(counts)
}

async fn workers(store: &dyn TestStore) -> Result<Vec<WorkerView>, String> {
    let mut workers = store.workers().await.map_err(said)?;
    workers.sort_by(|a, b| a.record.id.cmp(&b.record.id));
    Ok(workers)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("{what}\nthe model: {ours:#?}\nthe store: {theirs:#?}"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn said(error: docket_core::Error) -> String {
    format!("a call failed: {error:?}")
}

/// A call in one line, for the report of a difference.
fn story(now: Timestamp, call: &Issued) -> String {
    format!("at {now}, {call:?}")
}
