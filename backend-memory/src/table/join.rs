//! The environment that the docket belongs to.

use docket_core::{Error, ErrorKind, Result};

use super::Table;

impl Table {
    /// Notes the environment of a docket that has none; rejects a different one.
    pub(crate) fn join(&mut self, environment: Option<&str>) -> Result<()> {
        let Some(ours) = environment.filter(|text| !text.is_empty()) else { return Ok(()) };
        let theirs = self.environment.get_or_insert_with(|| ours.to_owned());
        if theirs == ours {
            return Ok(());
        }
        let message = format!(
            "the docket belongs to the environment {theirs:?}, this process to {ours:?}; check DOCKET_NAME and DOCKET_ENVIRONMENT"
        );
        Err(Error::new(ErrorKind::Conflict, "join the docket", message))
    }
}
