//! Durable background work for Rust services: add a task, a worker somewhere runs it at least once.
//!
//! One URL, `DOCKET_URL`, picks the store: Redis in production, Postgres where the service has one already, memory where
//! there is neither. The backends are interchangeable because they pass the same tests.
//!
//! ```no_run
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Greet { name: String }
//!
//! impl docket::Task for Greet {
//!     const NAME: &'static str = "greet";
//!     type Output = String;
//!     async fn run(self, _ctx: docket::Context) -> docket::TaskResult<String> {
//!         if self.name.is_empty() { Err("no name")?; }            // any error: tried again later
//!         Ok(format!("hello {}", self.name))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> docket::Result<()> {
//!     let docket = docket::Docket::from_env().await?;             // DOCKET_URL, DOCKET_NAME
//!     docket.add(Greet { name: "Ada".into() }).key("greet:ada").await?;
//!
//!     let db = std::collections::HashMap::<u64, String>::new();   // anything that the tasks share
//!     docket.worker().task::<Greet>().state(db).run_until(docket::shutdown_signal()).await?;
//!
//!     let greeting: Option<String> = docket.result::<Greet>("greet:ada").await?;
//!     println!("{greeting:?}");
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `memory` (default) | the store in this process, [`fallback`] |
//! | `redis` | Redis and Valkey |
//! | `postgres` | Postgres, adding tasks in a transaction of the service, the outbox |
//! | `tls` | TLS for both, by rustls with aws-lc, which needs a C compiler |
//!
//! Without `tls`, `rediss://`, `valkeys://` and `sslmode=require` or stricter are refused, and a connection to a Postgres
//! is plain even if the server offers TLS. The package `docket-cli` has the `docket` command, with all features.

mod address;
mod connect;
mod docket;
#[cfg(feature = "memory")]
pub mod fallback;
mod outbox;
mod patience;

pub use connect::Connect;
pub use docket::Docket;

// What a service writes.
pub use docket_core::{Backoff, Context, Failure, FailureExt, Policy, Registry, Task, TaskResult, Verdict};

// How it runs.
pub use docket_core::{QueueOrder, Settings, Timing, Worker, limits, shutdown_signal, worker};

// What it adds tasks with, and what it is answered.
pub use docket_core::{Add, AddAnswer, Answer, CancelAnswer, Client, Existing, NewTask, Overrides, Receipt};
pub use docket_core::{RequeueAnswer, RunAt, Verb};
#[cfg(feature = "postgres")]
pub use docket_postgres::{CompleteInTransaction, InTransaction, Outbox, OutboxCounts, RefusedRow};

// What things are known by.
pub use docket_core::WorkerId;
pub use docket_core::{
    AddId, CancelId, DocketName, Fence, Lease, LeaseToken, Payload, Queue, TaskKey, TaskName, TaskState, Timestamp,
};

// What it reads and controls.
pub use docket_core::{
    Clock, Control, Cursor, Finding, Inspect, LaneCounts, ListFilter, Page, Severity, SuccessorView,
};
pub use docket_core::{TaskView, WorkerRecord, WorkerView};

// What moves it to another store.
pub use docket_core::{Arrival, Destination, Parcel, ParcelId, Relocate, Ticket};

// The store behind all of it, its errors, and durations as people write them.
pub use docket_core::{
    Capabilities, Error, ErrorKind, QueueBackend, Result, Store, UrlSource, display_duration, parse_duration,
};

/// The snippets of the README, of the guide and of the page on compiler messages, compiled with the documentation's tests.
#[cfg(doctest)]
mod snippets {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/guide.md")]
    struct Guide;
    #[doc = include_str!("../../docs/compiler-messages.md")]
    struct CompilerMessages;
}
