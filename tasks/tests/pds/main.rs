//! The ATProto side against a real PDS with its PLC directory and its authorization server.
//!
//! Not among the tests that run by default: `just pds` installs the servers and runs these. Without them they fail.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod client;
mod identity;
mod server;
mod world;
