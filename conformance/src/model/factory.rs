//! Makes stores of the model for the suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use docket_core::{DocketName, TestStore};

use super::store::ModelStore;
use crate::runner::Factory;
use crate::teeth::Fault;

/// Makes stores of the model, sound ones or ones with a fault.
#[derive(Debug, Default)]
pub struct Models {
    fault: Option<Fault>,
    made: Mutex<HashMap<DocketName, ModelStore>>,
}

impl Models {
    /// Stores that break one rule.
    pub fn with_fault(fault: Fault) -> Self {
        Self { fault: Some(fault), made: Mutex::default() }
    }
}

#[async_trait]
impl Factory for Models {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = made.values().next().filter(|_| self.fault == Some(Fault::DocketsMeet));
        let store = shared.cloned().unwrap_or_else(|| ModelStore::new(docket.clone(), self.fault));
        made.insert(docket, store.clone());
        Arc::new(store)
    }

    async fn leftovers(&self, docket: &DocketName) -> Vec<String> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let store = made.get(docket);
        store.map_or_else(Vec::new, |store| {
            store.with(|docket, _| docket.records.keys().map(ToString::to_string).collect())
        })
    }
}
