use std::sync::Arc;

use bytes::Bytes;

use docket_core::Verdict;

use super::*;
use crate::AudioFile;
use crate::testing::{Reads, WatchedStore, failed, track};
use crate::{Buckets, Catalogue, MemoryCatalogue, Track};

/// The audio's bytes, and the first half of their SHA-256.
const AUDIO: &[u8] = b"audio";
const FILE_ID: &str = "6ed8919ce20490a5";
const KEY: &str = "audio/6ed8919ce20490a5.mp3";

struct Rig {
    public: WatchedStore,
    private: WatchedStore,
    catalogue: Arc<MemoryCatalogue>,
    services: Services,
}

impl Rig {
    /// Track 1 is public.
    async fn new() -> Self {
        let (public, private) = (WatchedStore::default(), WatchedStore::default());
        let catalogue = Arc::new(MemoryCatalogue::default());
        catalogue.put_track(public_track(1));
        public.put(KEY, AUDIO).await;
        let open = |store: &WatchedStore, name| Storage::from_store(Arc::new(store.clone()), name);
        let buckets = Buckets {
            public: open(&public, "s3://audio"),
            private: Some(open(&private, "s3://audio-private")),
            exports: open(&private, "s3://audio-private"),
        };
        let services = Services::new(catalogue.clone(), buckets, None).with_public_url("https://audio.plyr.fm/");
        Self { public, private, catalogue, services }
    }

    async fn place(&self) -> Result<MoveReport, Failure> {
        MoveTrackAudio { track_id: 1 }.place(&self.services).await
    }

    async fn track(&self) -> Track {
        self.catalogue.track(1).await.unwrap().unwrap()
    }

    /// The contents of each bucket.
    async fn objects(&self) -> (Option<Bytes>, Option<Bytes>) {
        (self.public.get(KEY).await, self.private.get(KEY).await)
    }
}

fn public_track(id: i64) -> Track {
    let audio_url = Some(format!("https://audio.plyr.fm/{KEY}"));
    Track { audio: Some(AudioFile::new(FILE_ID, "mp3")), audio_url, ..track(id) }
}

fn placed(storage: AudioStorage, copied: usize, shared: usize) -> MoveReport {
    MoveReport::Placed { storage, copied, shared }
}

fn audio() -> Bytes {
    Bytes::from_static(AUDIO)
}

#[tokio::test]
async fn audio_goes_to_the_private_bucket_and_back_with_its_original() {
    let rig = Rig::new().await;
    let original = "audio/master.flac";
    rig.catalogue.put_track(Track { original: Some(AudioFile::new("master", "flac")), ..public_track(1) });
    rig.public.put(original, "master").await;
    rig.catalogue.gate(1, true);
    assert_eq!(rig.place().await.unwrap(), placed(AudioStorage::Private, 2, 0));
    assert_eq!(rig.objects().await, (None, Some(audio())));
    assert_eq!((rig.public.get(original).await, rig.private.get(original).await.is_some()), (None, true));
    assert_eq!((rig.track().await.storage, rig.track().await.audio_url), (AudioStorage::Private, None));

    rig.catalogue.gate(1, false);
    assert_eq!(rig.place().await.unwrap(), placed(AudioStorage::Public, 2, 0));
    assert_eq!(rig.objects().await, (Some(audio()), None));
    assert_eq!(rig.track().await.audio_url, public_track(1).audio_url);
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let rig = Rig::new().await;
    for (is_gated, storage) in [(true, AudioStorage::Private), (false, AudioStorage::Public)] {
        rig.catalogue.gate(1, is_gated);
        rig.place().await.unwrap();
        let before = (rig.objects().await, rig.track().await);
        assert_eq!(rig.place().await.unwrap(), placed(storage, 0, 0));
        assert_eq!((rig.objects().await, rig.track().await), before);
    }
}

#[tokio::test]
async fn a_run_after_a_crash_behind_any_effect_ends_the_same() {
    // Towards private: copied; and taken away as well. Towards public: copied; and recorded as well.
    for (is_gated, in_public, in_private, recorded) in [
        (true, true, true, AudioStorage::Public),
        (true, false, true, AudioStorage::Public),
        (false, true, true, AudioStorage::Private),
        (false, true, true, AudioStorage::Public),
    ] {
        let rig = Rig::new().await;
        rig.catalogue.put_track(Track { storage: recorded, ..public_track(1) });
        rig.catalogue.gate(1, is_gated);
        if in_private {
            rig.private.put(KEY, AUDIO).await;
        }
        if !in_public {
            rig.services.buckets.public.delete(KEY).await.unwrap();
        }
        rig.place().await.unwrap();
        let expected = if is_gated { (None, Some(audio())) } else { (Some(audio()), None) };
        assert_eq!(rig.objects().await, expected, "{is_gated} {in_public} {recorded:?}");
        assert_eq!(rig.track().await.audio_url.is_some(), !is_gated);
    }
}

#[tokio::test]
async fn a_failed_move_towards_private_is_never_reported_as_done() {
    let rig = Rig::new().await;
    rig.catalogue.gate(1, true);
    for reads in [Reads::Fail, Reads::Break, Reads::Cut] {
        rig.public.set_reads(reads);
        failed(rig.place().await, Verdict::Retry);
        assert_eq!((rig.track().await.storage, rig.private.get(KEY).await), (AudioStorage::Public, None));
    }
    rig.public.set_reads(Reads::Fine);
    assert_eq!(rig.place().await.unwrap(), placed(AudioStorage::Private, 1, 0));
}

#[tokio::test]
async fn bytes_that_are_not_those_of_the_name_are_not_copied() {
    let rig = Rig::new().await;
    rig.catalogue.gate(1, true);
    rig.public.put(KEY, "other").await;
    assert!(failed(rig.place().await, Verdict::Retry).contains("named after"));
    assert_eq!((rig.private.get(KEY).await, rig.public.get(KEY).await.is_some()), (None, true));
}

#[tokio::test]
async fn an_object_that_another_track_wants_stays_for_it() {
    let rig = Rig::new().await;
    rig.catalogue.put_track(public_track(2));
    rig.catalogue.gate(1, true);
    assert_eq!(rig.place().await.unwrap(), placed(AudioStorage::Private, 1, 1));
    assert_eq!(rig.objects().await, (Some(audio()), Some(audio())));
    // The other one goes too: now nobody wants it in public.
    rig.catalogue.gate(2, true);
    let other = MoveTrackAudio { track_id: 2 }.place(&rig.services).await.unwrap();
    assert_eq!((other, rig.objects().await), (placed(AudioStorage::Private, 0, 0), (None, Some(audio()))));
    // And one comes back: the private copy stays for the first.
    rig.catalogue.gate(2, false);
    MoveTrackAudio { track_id: 2 }.place(&rig.services).await.unwrap();
    assert_eq!(rig.objects().await, (Some(audio()), Some(audio())));
}

#[tokio::test]
async fn what_can_never_work_is_fatal_with_the_reason() {
    let rig = Rig::new().await;
    let unknown = MoveTrackAudio { track_id: 9 }.place(&rig.services).await;
    assert!(failed(unknown, Verdict::Fatal).contains("track 9"));

    rig.catalogue.gate(1, true);
    rig.services.buckets.public.delete(KEY).await.unwrap();
    assert!(failed(rig.place().await, Verdict::Fatal).contains("neither s3://audio/audio/6ed8"));

    let mut rig = Rig::new().await;
    rig.services.buckets.private = None;
    rig.catalogue.gate(1, true);
    assert!(failed(rig.place().await, Verdict::Fatal).contains("no private bucket"));
    assert_eq!(rig.track().await.storage, AudioStorage::Public);

    rig.catalogue.put_track(Track { storage: AudioStorage::Pds, ..public_track(1) });
    assert_eq!(rig.place().await.unwrap(), MoveReport::NoAudio);
}
