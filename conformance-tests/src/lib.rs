//! conformance-tests.
