//! The conformance suite on the memory backend.

use std::sync::Arc;

use async_trait::async_trait;
use docket_conformance::Factory;
use docket_core::{DocketName, TestStore};
use docket_memory::MemoryBackend;

struct Memory;

#[async_trait]
impl Factory for Memory {
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore> {
        Arc::new(MemoryBackend::new(docket))
    }
}

docket_conformance::suite!(Memory);
