//! Rows that can hold a run behind its last write.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use docket_core::Result;
use docket_tasks::{AtUri, Confirmed, MemorySocial, Played, Record, Social, Wanted};
use tokio::sync::watch;

/// [`MemorySocial`] that answers on command.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) kept: MemorySocial,
    /// While true, a run that has confirmed waits.
    hold: watch::Sender<bool>,
    held: AtomicUsize,
}

impl Rows {
    /// Makes runs wait once they have confirmed, or lets them go on.
    pub(crate) fn hold(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    /// How many runs have been made to wait.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Social for Rows {
    async fn wanted(&self, record: &Record) -> Result<Option<Wanted>> {
        self.kept.wanted(record).await
    }

    async fn confirm(&self, record: &Record, revision: i64, uri: &AtUri) -> Result<Confirmed> {
        let confirmed = self.kept.confirm(record, revision, uri).await;
        let mut hold = self.hold.subscribe();
        if *hold.borrow_and_update() {
            self.held.fetch_add(1, Ordering::SeqCst);
            hold.wait_for(|hold| !hold).await.expect("the rows outlive their readers");
        }
        confirmed
    }

    async fn unconfirmed(&self, did: &str, limit: usize) -> Result<Vec<Record>> {
        self.kept.unconfirmed(did, limit).await
    }

    async fn played(&self, did: &str, track_id: i64) -> Result<Option<Played>> {
        self.kept.played(did, track_id).await
    }
}
