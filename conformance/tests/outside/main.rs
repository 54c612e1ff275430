//! A store from outside passes: this file is the one that `README.md` shows.

mod store;

use std::sync::Arc;

use async_trait::async_trait;
use docket_conformance::Factory;
use docket_core::{DocketName, TestStore};

use store::MeteredStore;

struct Metered;

#[async_trait]
impl Factory for Metered {
    /// Makes a store on an empty docket of this name. A server would be found, or started, here.
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        Arc::new(MeteredStore::new(docket))
    }
}

docket_conformance::suite!(Metered);
