//! Docket in the memory of one process: the readable specification, and what runs where there is no store.
//!
//! `table/` holds the transitions of `docs/transitions.md`, free of locks, clocks and waiting; [`MemoryBackend`] puts one
//! lock around a table. Handles made by [`docket_core::QueueBackend::fork`] share it, from any runtime of the process.
//!
//! # Guarantees
//!
//! * Each item of each call is one transition under the lock; no call is ever half done.
//! * Time is tokio's clock, so a paused clock in a test moves it; it never goes back.
//! * A wait is one sleep until a wake-up or the next due time; nothing polls.
//! * Memory has bounds with names: [`Options::max_tasks`] and those of [`docket_core::limits`]. What records took is used
//!   again for later ones, and given back when the last of them is gone.
//!
//! # Assumptions
//!
//! The process lives: whatever has not run is lost with it. [`docket_core::Inspect::examine`] says so.
//!
//! # Examples
//!
//! ```
//! use docket_core::{AddAnswer, DocketName, NewTask, Payload, QueueBackend, TaskName};
//! use docket_memory::MemoryBackend;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> docket_core::Result<()> {
//! let docket = MemoryBackend::new(DocketName::default());
//! let task = NewTask::new(TaskName::new("greet")?, Payload::new(r#"{"name":"Ada"}"#));
//! let answers = docket.add(&[task]).await?;
//! assert!(matches!(answers[0], Ok(AddAnswer::Added)));
//! # Ok(())
//! # }
//! ```

mod backend;
mod check;
mod clock;
mod control;
mod examine;
mod inspect;
mod options;
mod relocate;
mod table;
#[cfg(feature = "testing")]
mod testing;
mod wait;

pub use backend::MemoryBackend;
pub use options::Options;
