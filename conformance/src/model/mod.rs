//! The reference model: `docs/transitions.md` as a program, slow and obvious.
//!
//! One map of records, no index, no clock, no lock: it answers every question by looking at all
//! records, and every event is one function that takes `now`. A backend with another answer is
//! wrong, or the table is.
//!
//! * `record`: what the docket knows of one key. `life`: the steps the table names (`finish`,
//!   `promote`, `back`, `next`).
//! * `docket`: the events of adders and operators. `lease` and `settle`: those of workers.
//! * `relocate`: those of a move to another store.
//! * `bound`: refusals for size. `look`: reading, counting, and whether the records make sense at
//!   all.
//! * [`ModelStore`]: the model as a store, so that the suite can be run on it. With a
//!   [`crate::teeth::Fault`] it is a broken one.

mod bound;
mod define;
mod docket;
mod factory;
mod lease;
mod life;
mod look;
mod operate;
mod record;
mod relocate;
mod settle;
mod store;

pub use factory::Models;
pub use store::ModelStore;

pub(crate) use record::CRASH_LIMIT;
