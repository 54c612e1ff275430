//! Docket on Redis (6.2 or later) and Valkey: each transition of `docs/transitions.md` is one Lua
//! script.
//!
//! All keys of a docket share one hash tag, `docket:{NAME}:`; `scripts/prelude.lua` lists them.
//! `scripts/record.lua` describes the packed record: `docket show` decodes it, `redis-cli` shows
//! its bytes. A script changes records in memory, and `scripts/flush.lua` writes each and moves it
//! to its index. Time is the server's. A wait is a blocking read on a connection of its own, so
//! nothing polls at an interval.
//!
//! # Guarantees
//!
//! * A script is all or nothing: a server that is read-only or cannot persist refuses its first
//!   write.
//! * A server that is out of memory takes no new tasks, and its tasks can still be worked off.
//! * Every call has a deadline that covers connecting, the handshake and the answer.
//! * No log, error or `Debug` output contains a password.
//!
//! # Assumptions
//!
//! The server keeps the data it has acknowledged. It does not with an evicting `maxmemory-policy`
//! (refused by [`RedisBackend::connect`]), without persistence, or in a failover to a lagging copy:
//! [`docket_core::Inspect::examine`] reports which of these applies.

mod assemble;
mod audit;
mod backend;
mod call;
mod connection;
mod control;
mod error;
mod examine;
mod fields;
mod findings;
mod inspect;
mod items;
mod keys;
mod look;
mod numbers;
mod options;
mod persist;
mod record;
mod relocate;
mod request;
mod scripts;
#[cfg(feature = "testing")]
mod testing;
mod url;
mod wait;

pub use backend::RedisBackend;
pub use options::Options;
