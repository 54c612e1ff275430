//! Adding tasks.

/// Adds tasks to a docket.
#[derive(Clone, Debug)]
pub struct Client;
