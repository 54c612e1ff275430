//! The outside systems: object storage, the moderation service, ATProto, chat.

pub(crate) mod atproto;
pub(crate) mod bluesky;
pub(crate) mod call;
pub(crate) mod chat;
pub(crate) mod dpop;
pub(crate) mod http;
pub(crate) mod identity;
pub(crate) mod labeler;
pub(crate) mod moderation;
pub(crate) mod oauth;
pub(crate) mod replicate;
pub(crate) mod retry_after;
pub(crate) mod secret;
pub(crate) mod storage;
pub(crate) mod storage_error;
pub(crate) mod transfer;
pub(crate) mod upload;
