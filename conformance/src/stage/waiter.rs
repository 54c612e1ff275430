//! Lease calls that wait, each on a handle of its own, as those of other workers.

use std::time::Duration;

use docket_core::{Lease, LeaseReply, LeaseRequest};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Ask, SOON, Stage, ask};

/// The wait of a waiter: longer than any case, so that only a wake-up can end it in time.
pub(crate) const LONG_WAIT: Duration = Duration::from_secs(40);
/// From the first look of a waiting call to its sleep. Too short would only make a case easier.
const PARKING: Duration = Duration::from_millis(30);

/// A lease call that is under way. Dropping it abandons the call, as a worker that dies would.
pub(crate) struct Waiter {
    call: JoinHandle<LeaseReply>,
}

impl Stage {
    /// A worker of this id that waits for one task of the usual name.
    pub(crate) async fn waiter(&self, id: &str) -> Waiter {
        self.waiting(ask(1).by(id).waiting(LONG_WAIT)).await
    }

    /// Sends a request that waits, and returns once it does: its worker's record shows that it has looked.
    pub(crate) async fn waiting(&self, request: LeaseRequest) -> Waiter {
        let id = request.worker.id.clone();
        let store = self.fork();
        let call = tokio::spawn(async move { store.lease(&request).await.expect("a lease is answered") });
        let shown = async {
            while !self.store.workers().await.expect("workers can be listed").iter().any(|view| view.record.id == id) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, shown).await.expect("a lease call writes the worker's record at once");
        sleep(PARKING).await;
        Waiter { call }
    }
}

impl Waiter {
    /// The reply of the call; it must come at once.
    pub(crate) async fn reply(mut self) -> LeaseReply {
        let reply = timeout(SOON, &mut self.call).await.expect("the waiter is woken at once");
        reply.expect("a lease call does not panic")
    }

    /// The one task that the call brings.
    pub(crate) async fn lease(self) -> Lease {
        let mut leases = self.reply().await.leases;
        assert_eq!(leases.len(), 1, "the waiter takes one task");
        leases.remove(0)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.call.is_finished()
    }

    /// Drops the call in the middle of its wait.
    pub(crate) async fn leave(mut self) {
        self.call.abort();
        drop((&mut self.call).await);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.call.abort();
    }
}
