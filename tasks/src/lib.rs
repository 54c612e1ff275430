//! docket-tasks.
