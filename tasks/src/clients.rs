//! The outside systems: object storage and the moderation service.

pub(crate) mod moderation;
pub(crate) mod retry_after;
pub(crate) mod secret;
pub(crate) mod storage;
pub(crate) mod storage_error;
pub(crate) mod upload;
