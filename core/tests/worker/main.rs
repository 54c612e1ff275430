//! The worker, on the memory backend and on a paused clock: each wait ends at once, and times are exact.
//!
//! What needs a real server, a real thread or real time is tested in `conformance-tests`.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod fetch;
mod health;
mod heartbeat;
mod held;
mod least;
mod run;
#[allow(dead_code, reason = "the tests of incidents draw one fence for all as well")]
mod sabotage;
mod scene;
mod settle;
mod stop;
mod supervise;
mod tasks;
mod watchdog;
