//! The incident as a test: what once stopped a queue without a word, made to happen on purpose.
//!
//! In December 2025 a queue under a service stopped running most of its work for a day, with nothing in any log and every
//! worker shown as alive. What could be reproduced later was all of one class: loops without supervision, calls without
//! deadlines, a sign of life that did not depend on work being done, and work whose loss left no trace. Each way there
//! has a number, T1 to T21, and a test here named by it, on memory, Redis and Postgres, through our proxy where the network
//! is what fails:
//!
//! * `pace` — T1, T17, T19: settings move nothing but how soon a lost worker is noticed.
//! * `connections` — T2 to T6: connections killed, cut, muted, refused, forgotten.
//! * `server` — T7, T8, T20: the server restarted, read-only, refusing, emptied.
//! * `outcomes` — T9, T11: runs that end badly, and late.
//! * `processes` — T10, T14, T20: workers as processes, killed and replaced.
//! * `skew` — T10: the store's clock and the workers' a minute apart.
//! * `loops` — T12, T13: each loop of a worker made to fail; what needs no real time of that is in
//!   `core/tests/worker/supervise.rs`.
//! * `names` — T15, T18: names nobody serves, work that waits behind healthy work.
//! * `committed` — T16: a process killed between a business row and its task.
//! * `forgotten` — T21: packets of idle connections dropped without a word, by the kernel's packet filter.
//! * `seeds` — periodic tasks that the store does not take.
//! * `leasing` — nothing is leased that could not be renewed and settled.
//! * `leases` — runs and leases: two with one fence, one that is replaced, a fresh one, one that ends.
//! * `answers` — one answer lost after the call took effect, for each verb.
//!
//! Each passes when every accepted task has run, within 5 s of its time (and the lease length, where a lease was lost),
//! and when what happened can be seen in the worker's health and in the log. Time is real here: what is tested is
//! sockets, threads and processes, and none of them can be moved by a docket's clock. Waits end as soon as what they
//! wait for is there.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod answers;
mod committed;
mod connections;
mod firewall;
mod forgotten;
mod leases;
mod leasing;
mod logs;
mod loops;
mod names;
mod outcomes;
mod pace;
mod processes;
mod running;
#[path = "../../../core/tests/worker/sabotage.rs"]
#[allow(dead_code, reason = "the tests of the worker in core count calls and lose replies as well")]
mod sabotage;
mod scene;
mod seeds;
mod server;
mod skew;
mod stores;
mod tasks;
