//! docket-memory.
