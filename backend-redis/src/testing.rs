//! Needed by the conformance suite.

use async_trait::async_trait;
use docket_core::{Error, ErrorKind, Result, TestStore, Timestamp};

use crate::fields::word;
use crate::{RedisBackend, scripts};

#[async_trait]
impl TestStore for RedisBackend {
    async fn set_clock(&self, now: Timestamp) -> Result<()> {
        let operation = "set the docket's clock";
        let mut call = self.call(&scripts::CLOCK, 0);
        call.number(now.as_micros());
        match word(self.commands.script(&call, operation).await?, operation)?.as_str() {
            "set" => Ok(()),
            _ => Err(Error::new(ErrorKind::Conflict, operation, "the docket holds tasks already")),
        }
    }
}
