//! What only a Postgres server can do to its clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod busy;
mod faults;
mod race;
mod start;
mod work;
