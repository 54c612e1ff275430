//! How the tests of this repository find a real server, and what they do to it.
//!
//! The cases are in `docket-conformance`; `tests/` runs them, and every task type, on every store.
//!
//! * [`servers`]: how a test finds a real Redis or Postgres.
//! * [`proxy`]: faults on the way to it.
//! * [`restore`]: a store that comes back from a copy.
//! * [`layout`]: every writing call, on a docket of another build.
//! * [`on_every_backend!`]: one test per case of a task type and backend.

pub mod layout;
pub mod proxy;
pub mod restore;
pub mod servers;
mod task_types;
