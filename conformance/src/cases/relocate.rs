//! Relocate: a docket exports its tasks, and accepts those of another.

mod arrive;
mod leave;
mod meanwhile;

pub(crate) use arrive::*;
pub(crate) use leave::*;
pub(crate) use meanwhile::*;
