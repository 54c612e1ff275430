//! Adds in a transaction on Postgres for a docket on Redis: what was committed is in the queue once, whatever fails between.
//!
//! Time is real here: commits, notifications, servers that die and workers at work are what is looked at, and no docket's
//! clock moves those.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod deaths;
mod disk;
mod faults;
mod finished;
mod gate;
mod order;
mod pace;
mod pooled;
mod promises;
mod scene;
mod secrets;
