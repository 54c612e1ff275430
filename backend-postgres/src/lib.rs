//! Docket on Postgres (14 or later): each transition of `docs/transitions.md` is one function in
//! the database, and each call one statement.
//!
//! All dockets of a database share one schema, `docket` unless [`Options::schema`] says otherwise.
//! The backend creates and migrates it. Time is the server's. A wait is a `LISTEN` on a connection
//! of its own. A wake-up is only a hint: the lease decides which task is leased.
//!
//! # Guarantees
//!
//! * Each call is one transaction that locks all keys in order, so that two batches cannot
//!   deadlock.
//! * Every call has a deadline that covers connecting and the answer; a connection that missed one
//!   is closed.
//! * No log, error or `Debug` output contains a password.
//!
//! # Assumptions
//!
//! The server keeps committed data. It does not with `fsync` or `full_page_writes` off, and may
//! lose the latest commits with `synchronous_commit` off: [`docket_core::Inspect::examine`] reports
//! which of these applies.

mod backend;
mod complete;
mod connection;
mod control;
mod error;
mod examine;
mod inspect;
mod items;
mod link;
mod look;
mod migrate;
mod options;
mod outbox;
mod relocate;
mod request;
mod schema;
mod server;
mod statements;
#[cfg(feature = "testing")]
mod testing;
mod transaction;
mod url;
mod wait;

pub use backend::PostgresBackend;
pub use complete::CompleteInTransaction;
pub use migrate::{Schema, Versions};
pub use options::{Migrate, Options, Pooler};
pub use outbox::{Outbox, OutboxCounts, RefusedRow};
pub use transaction::InTransaction;
