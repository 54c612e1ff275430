//! The parts of a media export.

pub(crate) mod archive;
pub(crate) mod download;
pub(crate) mod entries;
pub(crate) mod job;
pub(crate) mod manifest;
pub(crate) mod names;
