//! A whole run: a store, a cast, faults until the time is over, and then the question whether everything holds.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conformance_tests::proxy::Proxy;
use conformance_tests::servers::PgBouncer;
use docket_core::{ListFilter, Store, TaskKey, TaskName, TaskState};
use tokio::time::Instant;

use crate::Outcome;
use crate::cast::{Cast, Role, Scene};
use crate::check::{Rules, Verdict, check};
use crate::faults::Stage;
use crate::history::History;
use crate::ledger::{Event, How, Ledger, read};
use crate::plan::{Kind, Plan};
use crate::roles::{EVERY, LEASE, Sabotage};
use crate::store::{Kind as StoreKind, Server};
use crate::time::micros;

/// How long the remaining work may take once the faults are over.
const DRAIN_MAX: Duration = Duration::from_mins(1);
/// How long a process may take to end: an add under way has its patience.
const END_MAX: Duration = Duration::from_secs(15);
/// The distance of the pooled worker from its pooler: a statement and its COMMIT are that far apart.
const FAR: Duration = Duration::from_millis(10);

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The store.
    pub store: StoreKind,
    /// The seed.
    pub seed: u64,
    /// For how long faults come.
    pub lasts: Duration,
    /// Which; all that the store can have if empty.
    pub kinds: Vec<Kind>,
    /// The built-in mistake of the cast.
    pub sabotage: Sabotage,
}

/// Plays it, with ledgers in this directory.
pub async fn run(asked: &Asked, ledgers: &Path) -> Outcome<(Verdict, Vec<String>)> {
    let kinds = if asked.kinds.is_empty() { Kind::of(asked.store) } else { asked.kinds.clone() };
    let ledger = Arc::new(Ledger::of(ledgers, "conductor")?);
    let docket: docket_core::DocketName = "chaos".parse()?;
    let server = Server::start(asked.store, &docket, kinds.contains(&Kind::Clock)).await?;
    // Opened once before all others, so that the setup of the first start is done.
    let store = server.open(&docket).await?;
    let scene = Scene {
        docket: docket.clone(),
        ledgers: ledgers.to_owned(),
        seed: asked.seed,
        rate: 12,
        sabotage: asked.sabotage,
        memory: (asked.store == StoreKind::Memory).then(|| store.clone()),
    };
    let proxies = match &server {
        Server::Memory(_) => Vec::new(),
        _ => vec![Proxy::before(&server.url()).await, Proxy::before(&server.url()).await],
    };
    let cast = Cast::new(scene, Arc::clone(&ledger));
    let mut stage = Stage { cast, server, proxies, behind_the_pooler: None, ledger };
    let _pooled = enter(&mut stage, &kinds).await?;
    stage.ledger.write(Event::Begun { every: micros(EVERY) });

    let end = Instant::now() + asked.lasts;
    for planned in Plan::new(asked.seed, kinds, LEASE) {
        stage.wait(planned.quiet).await?;
        if Instant::now() >= end {
            break;
        }
        stage.strike(&planned).await?;
    }
    for place in [stage.cast.places(Role::Adder), stage.cast.places(Role::Caller)].concat() {
        stage.cast.end(place, END_MAX).await?;
    }
    let store = stage.server.open(&docket).await?;
    drain(&mut stage, &*store).await?;
    look(&stage, &*store, ledgers).await?;
    for place in [stage.cast.places(Role::Worker), stage.cast.places(Role::Pooled)].concat() {
        stage.cast.end(place, END_MAX).await?;
    }
    let history = History::of(&read(ledgers)?);
    Ok((check(&history, &Rules::new(LEASE)), stage.cast.ends().to_vec()))
}

/// Three workers and two adders, on two ways to the store. For some faults also a worker behind a
/// pooler, and a service that adds in its own transactions.
async fn enter(stage: &mut Stage, kinds: &[Kind]) -> Outcome<Option<(PgBouncer, Proxy)>> {
    let ways: Vec<String> = match &stage.server {
        Server::Memory(_) => vec![stage.server.url()],
        _ => stage.proxies.iter().map(Proxy::url).collect(),
    };
    for n in 0..3 {
        stage.cast.enter(Role::Worker, &ways[n % ways.len()])?;
    }
    for n in 0..2 {
        stage.cast.enter(Role::Adder, &ways[n % ways.len()])?;
    }
    if kinds.contains(&Kind::PauseTransaction) {
        stage.cast.enter(Role::Caller, &ways[0])?;
    }
    if !kinds.contains(&Kind::PausePooled) {
        return Ok(None);
    }
    let behind = Proxy::before(&stage.server.url()).await;
    let bouncer = PgBouncer::before(&behind.url()).await;
    let before = Proxy::before(&bouncer.url()).await;
    before.delay(FAR);
    stage.cast.enter(Role::Pooled, &format!("{}?pgbouncer=true", before.url()))?;
    stage.behind_the_pooler = Some(behind);
    Ok(Some((bouncer, before)))
}

/// Waits until nothing is left but the periodic task.
async fn drain(stage: &mut Stage, store: &dyn Store) -> Outcome {
    let end = Instant::now() + DRAIN_MAX;
    while Instant::now() < end {
        let lanes = store.counts().await?;
        let work = lanes.iter().filter(|lane| lane.name.as_str() == "work");
        if work.map(|lane| lane.scheduled + lane.ready + lane.running + lane.moving).sum::<u64>() == 0 {
            stage.ledger.write(Event::Drained);
            return Ok(());
        }
        stage.wait(Duration::from_millis(100)).await?;
    }
    Ok(())
}

/// Records the store's report on all unfinished tasks, and on itself.
async fn look(stage: &Stage, store: &dyn Store, ledgers: &Path) -> Outcome {
    let found = |key: &TaskKey, state: Option<TaskState>| Event::Found {
        key: key.as_str().to_owned(),
        state: state.map(|state| state.as_str().to_owned()),
    };
    let name = Some(TaskName::new("work")?);
    for state in TaskState::ALL.into_iter().filter(|state| *state != TaskState::Completed) {
        let filter = ListFilter { state: Some(state), name: name.clone(), queue: None };
        let mut cursor = None;
        loop {
            let page = store.list(&filter, cursor.as_ref(), 1_000).await?;
            page.tasks.iter().for_each(|task| stage.ledger.write(found(&task.key, Some(task.state))));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    for key in undone(&History::of(&read(ledgers)?)) {
        let key = TaskKey::new(key)?;
        let task = store.get(&key).await?;
        stage.ledger.write(found(&key, task.map(|task| task.state)));
    }
    for text in store.audit().await? {
        stage.ledger.write(Event::Defect { text });
    }
    Ok(())
}

/// Added tasks that have not run to their end, and were not looked up yet.
fn undone(history: &History) -> HashSet<String> {
    let is_done =
        |key: &String| history.runs.get(key).is_some_and(|runs| runs.iter().any(|run| run.how == Some(How::Done)));
    history.adds.keys().filter(|key| !is_done(key) && !history.found.contains_key(*key)).cloned().collect()
}
