//! The clock override, for the conformance suite.

use async_trait::async_trait;
use docket_core::{Error, ErrorKind, Result, TestStore, Timestamp};

use crate::MemoryBackend;
use crate::backend::notify;

#[async_trait]
impl TestStore for MemoryBackend {
    async fn set_clock(&self, now: Timestamp) -> Result<()> {
        let mut docket = self.shared().lock();
        let refused = |why| Err(Error::new(ErrorKind::Conflict, "set the clock", why));
        if !docket.clock.is_set() && !docket.table.is_empty() {
            return refused("the docket is not empty; set its clock before anything is added");
        }
        let step = docket.clock.set(now);
        docket.table.stepped(step);
        let told = docket.waiters.choose_all();
        drop(docket);
        notify(&told);
        Ok(())
    }
}
