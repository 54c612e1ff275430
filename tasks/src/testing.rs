//! Shared by the tests of this crate.

mod told_service;
mod watched_store;

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Failure, Fence, Timestamp, Verdict};
use tokio_util::sync::CancellationToken;

use crate::run::Run;
use crate::{AudioFile, AudioStorage, Buckets, Catalogue, Services, Storage, Track};

pub(crate) use told_service::ToldService;
pub(crate) use watched_store::{Reads, WatchedStore};

/// Ada's track of this number, with audio `file{id}.mp3` in the public bucket.
pub(crate) fn track(id: i64) -> Track {
    Track {
        id,
        title: format!("Song {id}"),
        artist_did: "did:plc:ada".to_owned(),
        artist_handle: "ada.bsky.social".to_owned(),
        artist_name: "Ada".to_owned(),
        audio: Some(AudioFile::new(format!("file{id}"), "mp3")),
        original: None,
        storage: AudioStorage::Public,
        audio_url: Some(format!("https://audio.plyr.fm/audio/file{id}.mp3")),
        created_at: Timestamp::from_micros(1_700_000_000_000_000 + id * 1_000_000),
        record_uri: Some(format!("at://did:plc:ada/fm.plyr.track/{id}")),
    }
}

/// With this catalogue, a store in memory, and nobody to ask.
pub(crate) fn services(catalogue: Arc<dyn Catalogue>) -> Services {
    let storage = Storage::from_store(Arc::new(WatchedStore::default()), "memory://");
    Services::new(catalogue, Buckets { public: storage.clone(), private: None, exports: storage }, None)
}

/// A first run, with attempts left.
pub(crate) fn run(fence: u64) -> Run {
    Run {
        fence: Fence(fence),
        leased_at: Timestamp::from_micros(1_767_225_600_000_000),
        is_last: false,
        cancellation: CancellationToken::new(),
    }
}

/// The error of a run that failed with this verdict.
pub(crate) fn failed<T: std::fmt::Debug>(ended: Result<T, Failure>, verdict: Verdict) -> String {
    let failure = ended.unwrap_err();
    assert_eq!(failure.verdict(), verdict, "{failure}");
    failure.to_string()
}

/// Waits until `is_so`, at most five seconds.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), poll).await.expect("it is so within five seconds");
}
