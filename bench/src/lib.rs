//! docket-bench.
