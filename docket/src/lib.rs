//! docket-queue.
