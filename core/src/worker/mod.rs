//! The worker.

/// Runs tasks.
#[derive(Debug)]
pub struct Worker;
