//! What a media export is made of.

pub(crate) mod archive;
pub(crate) mod download;
pub(crate) mod entries;
pub(crate) mod job;
pub(crate) mod manifest;
pub(crate) mod names;
