//! Field names of spans and events. Renaming one is a breaking change.

/// The docket a line is about.
pub const DOCKET: &str = "docket";
/// The task's key.
pub const KEY: &str = "key";
/// The task type.
pub const NAME: &str = "name";
/// The worker.
pub const WORKER: &str = "worker";
