//! Chaos: adders and workers as real processes, faults drawn from a seed, and a ledger outside the
//! store as evidence.
//!
//! ```text
//!  conductor ── starts, kills, pauses ──▶ adders, workers ──▶ proxies ──▶ store
//!      │  ▲                                     │                          ▲
//!      │  └── ledger: one file per process ◀────┘                          │
//!      └───────────── stops, restarts, fails over, fills ─────────────────-┘
//! ```
//!
//! * [`plan`]: seed → schedule of faults. The same seed gives the same schedule; what the processes
//!   do between them is up to the machine.
//! * [`ledger`]: adds, starts, requests to stop and ends, one fsynced line each.
//! * [`history`], [`check`]: ledger lines → violations and recovery times. Pure: no clock, no
//!   store, no process.
//! * [`roles`]: the adder and the worker. [`cast`]: the processes that play them.
//! * [`store`]: the servers. [`faults`]: one file each kind. [`conductor`]: a whole run.
//! * [`report`]: the output, and the file of seeds that failed.

pub mod cast;
pub mod check;
pub mod conductor;
pub mod faults;
pub mod history;
pub mod ledger;
pub mod plan;
pub mod report;
pub mod roles;
pub mod store;
pub mod time;

/// Any error here ends the run.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
