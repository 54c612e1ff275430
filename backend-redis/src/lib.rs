//! docket-redis.
