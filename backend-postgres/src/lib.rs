//! Docket on Postgres (14 or later): each transition of `docs/transitions.md` is one function in the database, and each
//! call one statement.
//!
//! All dockets of a database share one schema, `docket` unless [`Options::schema`] says otherwise, which the backend makes
//! and brings up to date by itself. Time is the server's. A wait is a `LISTEN` on a connection of its own, and a wake-up
//! only a hint: what is leased is decided by the lease alone.
//!
//! # Guarantees
//!
//! * What a call does, it does in one transaction, with every key locked in order, so that two batches never wait for each
//!   other for ever.
//! * Every call has a deadline, over connecting and the answer together; a connection that missed one is closed.
//! * A password reaches no log, no error and no `Debug`.
//!
//! # Assumptions
//!
//! The server keeps what it has committed. It does not with `fsync` or `full_page_writes` off, and may lose the last
//! moment with `synchronous_commit` off: [`docket_core::Inspect::examine`] says which of these applies.

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
