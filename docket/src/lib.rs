//! Durable background work for Rust services: add a task, a worker somewhere runs it at least once.
//!
//! One URL, `DOCKET_URL`, picks the store: Redis in production, memory where there is none. The backends are
//! interchangeable because they pass the same tests.
//!
//! ```no_run
//! use docket::{Context, Docket, Failure, Registry, Settings, Task};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Greet {
//!     name: String,
//! }
//!
//! #[async_trait::async_trait]
//! impl Task for Greet {
//!     const NAME: &'static str = "greet";
//!     type Output = String;
//!
//!     async fn run(self, _ctx: Context) -> Result<String, Failure> {
//!         Ok(format!("hello {}", self.name))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> docket::Result<()> {
//!     let docket = Docket::from_env().await?; // DOCKET_URL, DOCKET_NAME
//!     docket.client().add(Greet { name: "Ada".into() }).key("greet:ada").await?;
//!
//!     let mut registry = Registry::new();
//!     registry.register::<Greet>()?;
//!     let worker = docket.worker().registry(registry).settings(Settings::from_env()?).build()?;
//!     worker.run().await // in a service: spawn it, and watch worker.health()
//! }
//! ```
//!
//! # Features
//!
//! `memory` and `redis` bring the backends, `command` the `docket` command; all are on by default. A service that
//! embeds the library takes `default-features = false, features = ["memory", "redis"]`.

mod address;
mod connect;
mod docket;
#[cfg(feature = "memory")]
pub mod fallback;

pub use connect::Connect;
pub use docket::Docket;

pub use docket_core::{
    // What it adds tasks with, and what it gets.
    Add,
    AddAnswer,
    AddId,
    Answer,
    // What a service writes.
    Backoff,
    CancelAnswer,
    // The store behind all of it, and its errors.
    Capabilities,
    Client,
    Context,
    // What it reads and controls.
    Control,
    Cursor,
    // What a task is known by.
    DocketName,
    Error,
    ErrorKind,
    Existing,
    Failure,
    Fence,
    Finding,
    FollowerView,
    Inspect,
    Key,
    LaneCounts,
    Lease,
    ListFilter,
    Name,
    NewTask,
    Overrides,
    Page,
    Payload,
    Policy,
    Queue,
    QueueBackend,
    // Bounds, the worker and its settings.
    QueueOrder,
    Receipt,
    Registry,
    RequeueAnswer,
    Result,
    RunAt,
    Settings,
    Severity,
    State,
    Store,
    Task,
    TaskView,
    Timestamp,
    Timing,
    Token,
    Worker,
    WorkerId,
    WorkerRecord,
    WorkerView,
    // Durations as people write them.
    display_duration,
    limits,
    parse_duration,
    worker,
};
