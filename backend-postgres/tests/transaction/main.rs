//! A part in the caller's transaction: adds and completions are all or nothing with the caller's data, and in nobody's way.
//!
//! Time is real here: transactions, notifications and workers at work are what is looked at, and no docket's clock moves
//! those.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod add;
mod complete;
mod held;
mod service;
