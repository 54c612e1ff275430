//! Field names of spans and events. Renaming one is a breaking change.

/// The task's key.
pub const KEY: &str = "key";
/// The task type. Not `name`: a JSON log has the span's own name under that.
pub const TASK: &str = "task";
/// Which attempt a run is, from 1.
pub const ATTEMPT: &str = "attempt";
/// The fence of the run's lease.
pub const FENCE: &str = "fence";
/// The worker.
pub const WORKER: &str = "worker";
