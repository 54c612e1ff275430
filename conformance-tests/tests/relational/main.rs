//! Cases of relational stores alone: a Postgres of each test's own, and a worker on it through the
//! public API.
//!
//! * `snapshot` — another transaction, open all the time: no dead row can be cleaned up.
//! * `floors` — what keeps such a transaction from slowing anything down, under the reference
//!   model.
//! * `connections` — connections ended one after another; a service that has exhausted its own
//!   pool.
//! * `outage` — the server killed, stopped and frozen within a batch; its tasks locked by another
//!   session.
//! * `standby` — its primary dead, and a standby promoted.
//! * `disk` — its disk full.
//! * `cost` — rows, bytes and WAL of a task's life; statements of an idle worker.
//!
//! Figures are printed beside the assertions: `cargo test -p conformance-tests --test relational --
//! --nocapture`.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]
#![expect(clippy::print_stdout, reason = "figures are for readers who ask for them")]

mod connections;
mod cost;
mod disk;
mod floors;
mod outage;
mod scene;
mod snapshot;
mod standby;
mod tasks;
