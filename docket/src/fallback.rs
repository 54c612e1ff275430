//! What happens to an add that the store cannot take: this process runs the task itself, or hands it over later.
//!
//! Asked for with [`Docket::with_fallback`]. When the store has not answered within the client's patience, the task goes
//! into a memory docket of this process, with the log line `docket scheduling failed, falling back to memory`, and the
//! add answers [`Answer::AddedLocally`](crate::Answer), never `Added`. A local worker runs it under the same policy.
//!
//! # Guarantees
//!
//! * Only a task that this process can run is taken: its name is registered, it serves its queue, it is due within
//!   [`DUE_WITHIN`], it is neither a perpetual nor a `schedule`. For any other the caller gets the store's error.
//! * Once the store is back, what is not running is handed over, with its key, its add id and the attempts it has left.
//! * What has died here by then is recorded in the store as dead, with its error and its attempts. Should a worker there be
//!   quicker than the hand-over, it has one more run.
//! * At most [`TASKS_MAX`] tasks and [`BYTES_MAX`] bytes of args are held; beyond that the caller gets the error.
//! * [`Docket::shutdown`] runs or hands over within the grace period and logs what is left, one line each.
//!
//! # Caveats
//!
//! * A task held here is lost if the process dies first: that is what `AddedLocally` says.
//! * If only the store's *answer* was lost, the store has the task as well, and it may run twice.
//! * A key is unique within the store and within this process, not across both while the store is away.

mod dead;
mod hand_over;
mod keeper;
mod local;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use docket_core::{Registry, Result, Settings, worker};

use crate::Docket;
pub(crate) use keeper::{Keeper, With};
use local::Local;
pub use local::{BYTES_MAX, DUE_WITHIN, TASKS_MAX};

impl Docket {
    /// Lets this process take tasks itself when the store cannot: see [`crate::fallback`] for the rules.
    ///
    /// `registry` says which names may be taken; `with` gives the local worker what their handlers share, as the
    /// process's own worker is given it. Of `settings` the concurrency and the grace count. On a docket that lives in
    /// this process anyway, nothing changes.
    ///
    /// # Errors
    ///
    /// `Config` when the local worker cannot be built, or outside a tokio runtime.
    pub fn with_fallback(
        self,
        registry: &Registry,
        settings: &Settings,
        with: impl Fn(worker::Builder) -> worker::Builder + Send + Sync + 'static,
    ) -> Result<Self> {
        let facts = self.store().capabilities();
        if !facts.shared {
            return Ok(self);
        }
        let local = Arc::new(Local::new(facts.docket, registry.without_perpetuals()));
        let client = self.client.with_fallback(local.clone());
        let keeper = Keeper::start(local, client.clone(), settings, Box::new(with))?;
        Ok(Self { client, fallback: Some(Arc::new(keeper)) })
    }

    /// Ends the fallback, if there is one: takes nothing more, runs or hands over what it has within the grace period,
    /// and logs what is left, one line each. Call it after the process's own worker has stopped.
    ///
    /// # Cancel safety
    ///
    /// A dropped shutdown goes on in the background for as long as the runtime lives.
    pub async fn shutdown(&self) {
        if let Some(keeper) = &self.fallback {
            keeper.shutdown().await;
        }
    }
}
