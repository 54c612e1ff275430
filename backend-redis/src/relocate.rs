//! Moving tasks to another store.

use docket_core::Relocate;

use crate::RedisBackend;

impl Relocate for RedisBackend {}
