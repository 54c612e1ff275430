//! What the conformance suite needs of a backend and no service may use.

use async_trait::async_trait;

use crate::{Result, Store, Timestamp};

/// A store whose clock can be set, so that the suite moves time instead of sleeping.
#[async_trait]
pub trait TestStore: Store {
    /// Sets the docket's clock. The first call needs an empty docket (else `ErrorKind::Conflict`); later ones may only
    /// move it forward. Every waiter wakes: `clock::moving_it_wakes_every_waiter`.
    async fn set_clock(&self, now: Timestamp) -> Result<()>;
}
