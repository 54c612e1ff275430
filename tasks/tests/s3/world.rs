//! A docket, three buckets, a catalogue, and workers between them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use docket_core::worker::Stop;
use docket_core::{
    Client, DocketName, Registry, Result, Settings, TaskKey, TaskState, TaskView, TestStore, Timestamp, Worker,
};
use docket_memory::MemoryBackend;
use docket_tasks::{AudioFile, AudioStorage, Buckets, Job, MemoryCatalogue, Services, Storage, Track};
use tokio::task::JoinHandle;

use crate::gate::Gate;
use crate::server::{SECRET, Server};

/// How long something that happens at once may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Where the docket's clock starts.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// Longer than any lease.
const PAST_ANY_LEASE: Duration = Duration::from_secs(61);
pub(crate) const ARTIST: &str = "did:plc:ada";

pub(crate) struct World {
    store: Arc<dyn TestStore>,
    pub(crate) client: Client,
    pub(crate) server: &'static Server,
    pub(crate) catalogue: Arc<MemoryCatalogue>,
    pub(crate) names: Names,
    elapsed: Mutex<Duration>,
}

/// The names of the buckets.
pub(crate) struct Names {
    pub(crate) public: String,
    pub(crate) private: String,
    pub(crate) exports: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let store: Arc<dyn TestStore> = Arc::new(MemoryBackend::new(DocketName::default()));
        store.set_clock(START).await.unwrap();
        let server = Server::shared().await;
        let bucket = async |purpose| server.new_bucket(purpose).await;
        let names =
            Names { public: bucket("audio").await, private: bucket("private").await, exports: bucket("exports").await };
        let (client, catalogue) = (Client::new(store.clone()), Arc::default());
        Self { store, client, server, catalogue, names, elapsed: Mutex::default() }
    }

    /// A gate before the server.
    pub(crate) async fn gate(&self) -> Gate {
        Gate::before(&self.server.endpoint).await
    }

    /// The buckets, reached by way of `endpoint` with this secret.
    pub(crate) fn buckets(&self, endpoint: &str, secret: &str) -> Buckets {
        let open = |name| Server::bucket(endpoint, name, secret);
        let Names { public, private, exports } = &self.names;
        Buckets { public: open(public), private: Some(open(private)), exports: open(exports) }
    }

    pub(crate) fn services(&self, buckets: Buckets) -> Services {
        Services::new(self.catalogue.clone(), buckets, None).with_public_url("https://audio.plyr.fm")
    }

    /// The public bucket.
    pub(crate) fn public(&self) -> Storage {
        Server::bucket(&self.server.endpoint, &self.names.public, SECRET)
    }

    /// The private one.
    pub(crate) fn private(&self) -> Storage {
        Server::bucket(&self.server.endpoint, &self.names.private, SECRET)
    }

    /// A public track of the artist's with this audio.
    pub(crate) async fn track(&self, id: i64, file: AudioFile, audio: &[u8]) {
        put(&self.public(), &file.key().unwrap(), audio).await;
        self.catalogue.put_track(Track {
            id,
            title: format!("Song {id}"),
            artist_did: ARTIST.to_owned(),
            artist_handle: "ada.bsky.social".to_owned(),
            artist_name: "Ada".to_owned(),
            audio_url: Some(format!("https://audio.plyr.fm/{}", file.key().unwrap())),
            audio: Some(file),
            original: None,
            storage: AudioStorage::Public,
            created_at: START.plus(Duration::from_secs(id.unsigned_abs())),
            record_uri: None,
        });
    }

    /// Adds an export and the job that watches it.
    pub(crate) async fn export(&self, id: &str) -> TaskKey {
        self.catalogue.put_job(Job::pending(id, ARTIST));
        docket_tasks::schedule_export(&self.client, id, ARTIST).await.unwrap().key
    }

    /// Acts as an artist who closes a track to everyone but supporters, or opens it.
    pub(crate) async fn switch_gate(&self, track_id: i64, is_gated: bool) -> TaskKey {
        self.catalogue.gate(track_id, is_gated);
        docket_tasks::schedule_track_audio_move(&self.client, track_id).await.unwrap().key
    }

    /// A worker, as another process would have it, straight at the server.
    pub(crate) fn worker(&self) -> Running {
        self.worker_with(self.buckets(&self.server.endpoint, SECRET))
    }

    /// A worker behind a gate.
    pub(crate) fn worker_behind(&self, gate: &Gate) -> Running {
        self.worker_with(self.buckets(gate.url(), SECRET))
    }

    pub(crate) fn worker_with(&self, buckets: Buckets) -> Running {
        let mut registry = Registry::new();
        docket_tasks::register(&mut registry).unwrap();
        let builder = Worker::builder(self.store.fork()).registry(registry).settings(Settings::default());
        let worker = builder.state(Arc::new(self.services(buckets))).build().unwrap();
        Running { stop: worker.stop_handle(), run: tokio::spawn(worker.run()) }
    }

    /// Runs a worker behind `gate` until a call's answer does not come, and kills it there.
    pub(crate) async fn kill_behind(&self, gate: &Gate) {
        let worker = self.worker_behind(gate);
        eventually("a call is not answered", async || gate.is_stuck().then_some(())).await;
        worker.killed().await;
        self.pass(PAST_ANY_LEASE).await;
    }

    /// Moves the docket's clock.
    async fn pass(&self, time: Duration) {
        let now = {
            let mut elapsed = self.elapsed.lock().unwrap();
            *elapsed += time;
            START.plus(*elapsed)
        };
        self.store.set_clock(now).await.unwrap();
    }

    /// Waits for the task to be so, and lets the docket's clock go on meanwhile, up to its next try if it waits for one:
    /// the server may fail a call, and a killed worker's last renewal may be under way.
    pub(crate) async fn until(&self, key: &TaskKey, state: TaskState) -> TaskView {
        let end = Instant::now() + SOON;
        loop {
            let view = self.store.get(key).await.unwrap().expect("the task is kept");
            if view.state == state {
                return view;
            }
            assert!(Instant::now() < end, "not {state} within {SOON:?}: {view:?}");
            tokio::time::sleep(LOOK_EVERY).await;
            let now = START.plus(*self.elapsed.lock().unwrap());
            let wait = if view.state == TaskState::Scheduled { view.visible_at.since(now) } else { LOOK_EVERY };
            self.pass(wait).await;
        }
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

    /// Nothing is given back, nothing is settled.
    async fn killed(self) {
        self.run.abort();
        assert!(self.run.await.unwrap_err().is_cancelled());
    }
}

pub(crate) async fn put(bucket: &Storage, key: &str, bytes: &[u8]) {
    let mut upload = bucket.upload(key, "application/octet-stream", "x").await.unwrap();
    upload.write(bytes).await.unwrap();
    upload.finish().await.unwrap();
}

/// What is under a key.
pub(crate) async fn read(bucket: &Storage, key: &str) -> Option<Vec<u8>> {
    let mut object = bucket.read(key).await.unwrap()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = object.next().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    Some(bytes)
}

pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
