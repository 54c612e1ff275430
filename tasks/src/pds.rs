//! Shared by the tasks that write to users' PDSs.

mod converge;
mod parking;
mod services;
mod wake;

pub(crate) use converge::converge;
pub use converge::{Change, RecordReport};
pub(crate) use parking::{ATTEMPTS_MAX, backoff, failure};
pub(crate) use services::time;
pub use services::{Pds, PdsNames};
pub use wake::wake_did;
