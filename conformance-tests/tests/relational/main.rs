//! What only a relational store can be asked: a Postgres of each test's own, and a worker on it through the public API.
//!
//! * `snapshot` — somebody else's transaction, open all the while: nothing that dies can be cleaned up.
//! * `floors` — what keeps such a transaction from slowing anything down, under the reference model.
//! * `connections` — connections ended one after another; a service that has emptied its own pool.
//! * `outage` — the server killed, stopped and frozen in the middle of a batch; its tasks locked by somebody.
//! * `standby` — its primary dead, and a standby promoted.
//! * `disk` — its disk full.
//! * `cost` — rows, bytes and WAL of a task's life; statements of an idle worker.
//!
//! Figures are printed beside what is asserted: `cargo test -p conformance-tests --test relational -- --nocapture`.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]
#![expect(clippy::print_stdout, reason = "figures are for who asks for them")]

mod connections;
mod cost;
mod disk;
mod floors;
mod outage;
mod scene;
mod snapshot;
mod standby;
mod tasks;
