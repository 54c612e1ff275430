//! The contract of Docket: what a task is, what a store must do, and the client and worker that rely on it.
//!
//! A service adds a task; a worker somewhere runs it at least once, even when a worker, the store or the network fails
//! in between. This crate names no store and no URL scheme. Three parties meet here:
//!
//! * a **backend** implements [`QueueBackend`], [`Inspect`] and [`Control`], and [`Relocate`] if it can, and proves it
//!   with `docket-conformance`;
//! * a **service** declares a [`Task`], adds it through a [`Client`], and runs it with a [`Worker`];
//! * an **operator** reads through [`Inspect`], steps in through [`Control`], and moves a docket elsewhere through
//!   [`Relocate`].
//!
//! The one rule behind all of it: an unfinished task has one `visible_at`. Leasing takes tasks whose `visible_at` has
//! passed and moves it to the lease's deadline; every other operation only sets that number. There is therefore no
//! scheduler to promote due tasks, no reaper to collect lost ones and no leader to elect.
//!
//! `docs/glossary.md` defines the terms.

mod client;
pub mod contract;
mod task;
pub mod telemetry;
pub mod worker;

pub use client::*;
pub use contract::*;
pub use task::*;
pub use worker::settings::*;
pub use worker::{Worker, shutdown_signal};

use client::repeat;
use task::{handler, registry};
