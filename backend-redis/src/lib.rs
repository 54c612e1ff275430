//! Docket on Redis (6.2 or later) and Valkey: each transition of `docs/transitions.md` is one Lua script.
//!
//! All keys of a docket share one hash tag, `docket:{NAME}:`; `scripts/prelude.lua` lists them. `scripts/record.lua`
//! says what a record looks like: `docket show` reads one, `redis-cli` shows its bytes. A script changes records in
//! memory, and `scripts/flush.lua` writes each and moves it to the index it then belongs to. Time is the server's.
//! A wait is a blocking read on a connection of its own, so nothing polls.
//!
//! # Guarantees
//!
//! * What a script does, it does whole: a server that is read-only or cannot persist refuses its first write.
//! * A server that is out of memory takes no new tasks, and those it has are worked off.
//! * Every call has a deadline, over connecting, the handshake and the answer together.
//! * A password reaches no log, no error and no `Debug`.
//!
//! # Assumptions
//!
//! The server keeps what it has acknowledged. It does not with an evicting `maxmemory-policy` (refused by
//! [`RedisBackend::connect`]), without persistence, or in a fail-over to a copy that missed writes:
//! [`docket_core::Inspect::examine`] says which of these applies.

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
