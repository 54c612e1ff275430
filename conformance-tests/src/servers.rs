//! How a test finds a real Redis.
