//! Relocate: a docket gives its tasks away, and takes those of another.

mod arrive;
mod leave;
mod meanwhile;

pub(crate) use arrive::*;
pub(crate) use leave::*;
pub(crate) use meanwhile::*;
