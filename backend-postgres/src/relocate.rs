//! Moving tasks to another store.

use docket_core::Relocate;

use crate::PostgresBackend;

impl Relocate for PostgresBackend {}
