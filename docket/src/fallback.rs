//! The fallback for an add that the store cannot accept: this process runs the task itself, or
//! hands it over later.
//!
//! Enabled by [`Docket::with_fallback`]. If the store has not answered within the client's
//! patience, the task goes into a memory docket of this process, with the log line `docket
//! scheduling failed, falling back to memory`, and the add answers
//! [`Answer::AddedLocally`](crate::Answer), never `Added`. A local worker runs it under the same
//! policy.
//!
//! # Guarantees
//!
//! * It takes only a task that this process can run: its name is registered, its queue is served,
//!   it is due within [`DUE_WITHIN`], and it is neither periodic nor a `schedule`. For any other
//!   the caller gets the store's error.
//! * Once the store is back, tasks that are not running are handed over, with their key, their add
//!   id and the attempts they have left.
//! * Tasks that have died here are recorded in the store as dead, with their error and their
//!   attempts. If a worker there is quicker than the hand-over, the task has one more run.
//! * It holds at most [`TASKS_MAX`] tasks and [`BYTES_MAX`] bytes of args; beyond that the caller
//!   gets the error.
//! * [`Docket::shutdown`] runs or hands over within the grace period and logs what is left, one
//!   line each.
//!
//! # Caveats
//!
//! * A task held here is lost if the process dies first: `AddedLocally` means that.
//! * If only the store's *answer* was lost, the store has the task as well, and it may run twice.
//! * A key is unique within the store and within this process, not across both while the store is
//!   down.

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
    /// Lets this process take tasks itself when the store cannot: see [`crate::fallback`] for the
    /// rules.
    ///
    /// `registry` says which names may be taken; `with` configures the local worker like the
    /// process's own worker. Only the concurrency and the grace period of `settings` are used. On a
    /// docket in this process nothing changes.
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
        let local = Arc::new(Local::new(facts.docket, registry.without_periodic_tasks()));
        let client = self.client.with_fallback(local.clone());
        let keeper = Keeper::start(local, client.clone(), settings, Box::new(with))?;
        Ok(Self { client, fallback: Some(Arc::new(keeper)), ..self })
    }

    /// Ends the fallback, if there is one: takes no more tasks, runs or hands over those it has
    /// within the grace period, and logs what is left, one line each. Call it after the process's
    /// own worker has stopped.
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
