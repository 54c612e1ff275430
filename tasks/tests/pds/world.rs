//! A docket, a PDS, users, their rows, and workers between them.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use docket_core::worker::Stop;
use docket_core::{Client, Registry, Result, Settings, TaskKey, TaskState, TaskView, TestStore, Timestamp, Worker};
use docket_tasks::{
    AtUri, Atproto, AtprotoOptions, Buckets, KeptRecord, MemoryCatalogue, MemorySessions, OAuthClient, Pds, PdsNames,
    Reach, Services, Sessions, Social, Storage, StrongRef,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::gate::Gate;
use crate::rows::Rows;
use crate::server::{Account, SCOPE, Server};

/// How long something that happens at once may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Where the docket's clock starts.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// Longer than any lease.
const PAST_ANY_LEASE: Duration = Duration::from_secs(61);

pub(crate) struct World {
    store: Arc<dyn TestStore>,
    pub(crate) client: Client,
    pub(crate) server: Arc<Server>,
    pub(crate) sessions: Arc<MemorySessions>,
    pub(crate) rows: Arc<Rows>,
    pub(crate) catalogue: Arc<MemoryCatalogue>,
    folder: TempDir,
    elapsed: Mutex<Duration>,
}

impl World {
    pub(crate) async fn new(store: Arc<dyn TestStore>) -> Self {
        store.set_clock(START).await.unwrap();
        Self {
            client: Client::new(store.clone()),
            store,
            server: Server::shared().await,
            sessions: Arc::default(),
            rows: Arc::default(),
            catalogue: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            elapsed: Mutex::default(),
        }
    }

    /// Somebody who is logged in by OAuth.
    pub(crate) async fn user(&self) -> Account {
        let ada = self.server.account("ada").await;
        self.log_in(&ada).await;
        ada
    }

    pub(crate) async fn log_in(&self, account: &Account) {
        self.sessions.log_in(self.server.oauth_session(account).await);
    }

    /// Somebody who is logged in by an app password, with a gate before the PDS.
    pub(crate) async fn user_behind_gate(&self) -> (Account, Gate) {
        let ada = self.server.account("ada").await;
        let mut session = self.server.app_password_session(&ada).await;
        let gate = Gate::before(&session.pds_url).await;
        session.pds_url = gate.url();
        self.sessions.log_in(session);
        (ada, gate)
    }

    /// The contents of a collection, as anybody sees it.
    pub(crate) async fn records(&self, account: &Account, collection: &str) -> Vec<KeptRecord> {
        let anybody = atproto(self.sessions.clone());
        anybody.list_records(&self.server.pds, &account.did, collection, None).await.unwrap().records
    }

    /// A worker, as another process would have it.
    pub(crate) fn worker(&self) -> Running {
        let folder = Storage::open(&format!("file://{}", self.folder.path().display()), None).unwrap();
        let buckets = Buckets { public: folder.clone(), private: None, exports: folder };
        let social: Arc<dyn Social> = self.rows.clone();
        let pds = Pds::new(atproto(self.sessions.clone()), social, PdsNames::default());
        let services = Services::new(self.catalogue.clone(), buckets, None).with_pds(pds);
        let mut registry = Registry::new();
        docket_tasks::register_pds(&mut registry).unwrap();
        let builder = Worker::builder(self.store.fork()).registry(registry).settings(Settings::default());
        let worker = builder.state(services).build().unwrap();
        Running { stop: worker.stop_handle(), run: tokio::spawn(worker.run()) }
    }

    /// Moves the docket's clock.
    pub(crate) async fn pass(&self, time: Duration) {
        let now = {
            let mut elapsed = self.elapsed.lock().unwrap();
            *elapsed += time;
            START.plus(*elapsed)
        };
        self.store.set_clock(now).await.unwrap();
    }

    /// Lets the lease of a killed worker pass, until another has met it. A last heartbeat may have been on its way: then
    /// once more.
    pub(crate) async fn until_crashed(&self, key: &TaskKey, crashes: u32) {
        for _ in 0..10 {
            self.pass(PAST_ANY_LEASE).await;
            let end = Instant::now() + SOON / 10;
            while Instant::now() < end {
                let view = self.view(key).await;
                if view.crashes >= crashes || view.state == TaskState::Completed {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        panic!("nobody met the lost lease of {key}");
    }

    pub(crate) async fn view(&self, key: &TaskKey) -> TaskView {
        self.store.get(key).await.unwrap().expect("the task is kept")
    }

    pub(crate) async fn until(&self, key: &TaskKey, state: TaskState) -> TaskView {
        eventually(&format!("{key} is {state}"), async || {
            let view = self.view(key).await;
            (view.state == state).then_some(view)
        })
        .await
    }

    /// Waits until a run has failed and the task waits for the next.
    pub(crate) async fn until_attempt(&self, key: &TaskKey, attempts: u32) -> TaskView {
        eventually(&format!("{key} has failed {attempts} times"), async || {
            let view = self.view(key).await;
            (view.attempts == attempts && view.state == TaskState::Scheduled).then_some(view)
        })
        .await
    }

    /// Records and indexes agree.
    pub(crate) async fn audit(&self) {
        assert_eq!(self.store.audit().await.unwrap(), Vec::<String>::new());
    }
}

/// A worker under way.
pub(crate) struct Running {
    stop: Stop,
    run: JoinHandle<Result<()>>,
}

impl Running {
    pub(crate) async fn stopped(self) {
        self.stop.stop();
        tokio::time::timeout(SOON, self.run).await.expect("a stop has an end").unwrap().unwrap();
    }

    /// As a killed process: nothing is given back, nothing is settled.
    pub(crate) async fn killed(self) {
        self.run.abort();
        assert!(self.run.await.unwrap_err().is_cancelled());
    }
}

/// A client as another process would have it.
pub(crate) fn atproto(sessions: Arc<dyn Sessions>) -> Atproto {
    let redirect = "http%3A%2F%2F127.0.0.1%2Fcallback";
    let scope = SCOPE.replace(' ', "+").replace(':', "%3A");
    let options = AtprotoOptions {
        user_agent: "plyr.fm/1.0".to_owned(),
        reach: Reach::Loopback,
        oauth: OAuthClient::public(format!("http://localhost?redirect_uri={redirect}&scope={scope}")),
    };
    Atproto::new(sessions, options).unwrap()
}

/// The record of a track.
pub(crate) fn subject() -> StrongRef {
    let uri = AtUri::new("did:plc:artist", "fm.plyr.track", "3jzfcijpj2z2a").unwrap();
    StrongRef { uri, cid: "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a".to_owned() }
}

pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
