//! Needed by the conformance suite.

use async_trait::async_trait;
use docket_core::{Error, ErrorKind, Result, TestStore, Timestamp};

use crate::PostgresBackend;
use crate::request::{Columns, push};

#[async_trait]
impl TestStore for PostgresBackend {
    async fn set_clock(&self, now: Timestamp) -> Result<()> {
        let operation = "set the docket's clock";
        let mut arguments = self.arguments()?;
        push(&mut arguments, now.as_micros())?;
        let row = self.commands.row(&self.statements().set_clock, arguments, operation).await?;
        match Columns::of(&row, operation).only::<String>()?.as_str() {
            "set" => Ok(()),
            _ => Err(Error::new(ErrorKind::Conflict, operation, "the docket holds tasks already")),
        }
    }
}
