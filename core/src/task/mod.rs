//! What a service writes: a task, its policy, and the registry of those that a worker runs.

mod failure;
pub(crate) mod handler;
mod policy;
pub(crate) mod registry;

pub use failure::*;
pub use handler::*;
pub use policy::*;
pub use registry::*;
