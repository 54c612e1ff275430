//! Cases particular to Redis, on a real server: the check at the start, faults of the server, the
//! cost of a wait, the memory of one script. `conformance-tests` has the cases of every backend.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod bounds;
mod corrupt;
mod cost;
mod faults;
mod lanes;
mod layout;
mod persist;
mod proxy;
mod restore;
mod server;
mod standby;
mod start;
mod work;
