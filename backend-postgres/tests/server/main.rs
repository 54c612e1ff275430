//! What only a Postgres server can do to its clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod busy;
mod clock;
mod faults;
mod lanes;
mod layout;
mod plans;
mod pooler;
mod race;
mod refusals;
mod restore;
mod start;
mod wake;
mod work;
