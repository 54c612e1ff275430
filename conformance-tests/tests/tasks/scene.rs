//! A docket, a folder, a catalogue, a moderation service, and workers between them.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::worker::Stop;
use docket_core::{Client, Registry, Result, Settings, TaskKey, TaskState, TaskView, TestStore, Timestamp, Worker};
use docket_tasks::{
    AudioFile, AudioStorage, Buckets, Catalogue, Chat, ChatAccess, Job, Labeler, Moderation, Notifier, Replicate,
    Secret, Services, Storage, Track,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::catalogue::ToldCatalogue;
use crate::desk::Desk;
use crate::service::{KEY, Service};

/// How long something that happens at once may take on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// Where the docket's clock starts.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// Longer than any lease.
const PAST_ANY_LEASE: Duration = Duration::from_secs(61);
pub(crate) const ARTIST: &str = "did:plc:ada";

pub(crate) struct Scene {
    store: Arc<dyn TestStore>,
    pub(crate) client: Client,
    pub(crate) catalogue: Arc<ToldCatalogue>,
    pub(crate) moderation: Service,
    moderation_url: String,
    pub(crate) labeler: Service,
    labeler_url: String,
    /// Reports flags, if somebody is to be told.
    pub(crate) desk: Desk,
    chat_url: Option<String>,
    pub(crate) replicate: Service,
    replicate_url: String,
    folder: TempDir,
    elapsed: std::sync::Mutex<Duration>,
}

impl Scene {
    pub(crate) async fn new(store: Arc<dyn TestStore>) -> Self {
        store.set_clock(START).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("audio")).unwrap();
        fs::create_dir(folder.path().join("private")).unwrap();
        let (moderation, labeler, replicate) = (Service::default(), Service::default(), Service::default());
        Self {
            client: Client::new(store.clone()),
            store,
            catalogue: Arc::new(ToldCatalogue::new()),
            moderation_url: moderation.serve().await,
            moderation,
            labeler_url: labeler.serve().await,
            labeler,
            desk: Desk::default(),
            chat_url: None,
            replicate_url: replicate.serve().await,
            replicate,
            folder,
            elapsed: std::sync::Mutex::default(),
        }
    }

    /// A scene whose labeler and chat are at a desk that answers by itself.
    pub(crate) async fn with_desk(store: Arc<dyn TestStore>) -> Self {
        let scene = Self::new(store).await;
        let url = scene.desk.serve().await;
        Self { labeler_url: url.clone(), chat_url: Some(url), ..scene }
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

    /// A public track of the artist's, with this audio in storage unless it is lost.
    pub(crate) fn track(&self, id: i64, title: &str, audio: Option<&str>) {
        let file_id = format!("file{id}");
        if let Some(audio) = audio {
            fs::write(self.folder.path().join(format!("audio/{file_id}.mp3")), audio).unwrap();
        }
        self.catalogue.kept.put_track(Track {
            id,
            title: title.to_owned(),
            artist_did: ARTIST.to_owned(),
            artist_handle: "ada.bsky.social".to_owned(),
            artist_name: "Ada".to_owned(),
            audio: Some(AudioFile::new(&file_id, "mp3")),
            original: None,
            storage: AudioStorage::Public,
            audio_url: Some(format!("https://audio.plyr.fm/audio/{file_id}.mp3")),
            created_at: START.plus(Duration::from_secs(id.unsigned_abs())),
            record_uri: Some(format!("at://{ARTIST}/fm.plyr.track/{id}")),
        });
    }

    /// Adds an export and the job that watches it.
    pub(crate) async fn export(&self, id: &str) -> TaskKey {
        self.catalogue.kept.put_job(Job::pending(id, ARTIST));
        docket_tasks::schedule_export(&self.client, id, ARTIST).await.unwrap().key
    }

    pub(crate) async fn scan(&self, track_id: i64) -> TaskKey {
        let file_id = format!("file{track_id}");
        docket_tasks::schedule_copyright_scan(&self.client, track_id, &file_id).await.unwrap().key
    }

    pub(crate) async fn classify(&self, track_id: i64) -> TaskKey {
        let file_id = format!("file{track_id}");
        docket_tasks::schedule_genre_classification(&self.client, track_id, &file_id).await.unwrap().key
    }

    /// Acts as an artist who closes a track to everyone but supporters, or opens it.
    pub(crate) async fn switch_gate(&self, track_id: i64, is_gated: bool) -> TaskKey {
        self.catalogue.kept.gate(track_id, is_gated);
        docket_tasks::schedule_track_audio_move(&self.client, track_id).await.unwrap().key
    }

    /// Whether the audio of a track is in the public and in the private folder.
    pub(crate) fn audio(&self, track_id: i64) -> (bool, bool) {
        let there = |place: &str| self.folder.path().join(format!("{place}audio/file{track_id}.mp3")).exists();
        (there(""), there("private/"))
    }

    pub(crate) async fn job(&self, id: &str) -> Job {
        self.catalogue.kept.job(id).await.unwrap().unwrap()
    }

    /// The contents of the export folder, in order.
    pub(crate) fn exports(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.folder.path().join("exports")) else { return Vec::new() };
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn archive(&self, id: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(format!("exports/{id}.zip"))).unwrap()
    }

    pub(crate) fn worker(&self) -> Running {
        self.worker_with_key(KEY)
    }

    /// A worker, as another process would have it, with this key for the outside services.
    pub(crate) fn worker_with_key(&self, key: &str) -> Running {
        let folder = Storage::open(&format!("file://{}", self.folder.path().display()), None).unwrap();
        let private = Storage::open(&format!("file://{}/private", self.folder.path().display()), None).unwrap();
        let buckets = Buckets { public: folder.clone(), private: Some(private), exports: folder };
        let moderation = Moderation::new(&self.moderation_url, Secret::new(key), Duration::from_mins(5)).unwrap();
        let mut services = Services::new(self.catalogue.clone(), buckets, Some(moderation))
            .with_labeler(Labeler::new(&self.labeler_url, Secret::new(key)).unwrap())
            .with_replicate(Replicate::new(&self.replicate_url, Secret::new(key), 10).unwrap());
        if let Some(url) = &self.chat_url {
            services = services.with_notifier(notifier(url));
        }
        let mut registry = Registry::new();
        docket_tasks::register(&mut registry).unwrap();
        let builder = Worker::builder(self.store.fork()).registry(registry).settings(Settings::default());
        let worker = builder.state(services).build().unwrap();
        Running { stop: worker.stop_handle(), run: tokio::spawn(worker.run()) }
    }

    pub(crate) async fn look(&self, key: &TaskKey) -> Option<TaskView> {
        self.store.get(key).await.unwrap()
    }

    pub(crate) async fn view(&self, key: &TaskKey) -> TaskView {
        self.look(key).await.expect("the task is kept")
    }

    /// Lets the lease of a killed worker pass, until another worker has met it. A last renewal may have been on its way:
    /// then once more.
    pub(crate) async fn until_crashed(&self, key: &TaskKey, crashes: u32) {
        for _ in 0..10 {
            self.pass(PAST_ANY_LEASE).await;
            let end = Instant::now() + SOON / 10;
            while Instant::now() < end {
                if self.view(key).await.crashes >= crashes {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        panic!("nobody met the lost lease of {key}");
    }

    pub(crate) async fn until(&self, key: &TaskKey, state: TaskState) -> TaskView {
        eventually(&format!("{key} is {state}"), async || {
            let view = self.view(key).await;
            (view.state == state).then_some(view)
        })
        .await
    }

    /// Records and indexes agree.
    pub(crate) async fn audit(&self) {
        assert_eq!(self.store.audit().await.unwrap(), Vec::<String>::new());
    }
}

/// A bot that tells the admin.
fn notifier(url: &str) -> Notifier {
    let access = ChatAccess {
        url: url.to_owned(),
        bot_handle: "bot.plyr.fm".to_owned(),
        bot_password: Secret::new("app-password"),
        recipient_handle: "admin.plyr.fm".to_owned(),
    };
    let chat = Chat::new(access, Duration::from_secs(20)).unwrap();
    Notifier { chat, app_name: "plyr.fm".to_owned(), frontend_url: None }
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

/// Waits until `is_so`.
pub(crate) async fn becomes(what: &str, is_so: impl Fn() -> bool) {
    eventually(what, async || is_so().then_some(())).await;
}
