//! The options.

use std::time::Duration;

use docket_core::{Error, Result, display_duration, limits};

/// Settings of a [`crate::PostgresBackend`]; the default suits production.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The schema that holds the tables: a lower-case letter or `_`, then letters, digits and `_`, 1 to 48 bytes. Default
    /// `docket`.
    pub schema: String,
    /// How long connecting may take: name look-up, TCP, TLS and the login together. Default 2 s.
    pub connect: Duration,
    /// How long an answer may take, including the sending of a full batch (8 MiB). A call's
    /// deadline is `connect` plus `response`. Default 2 s; raise it if the network is slow: behind
    /// a pooler a call is four round trips.
    pub response: Duration,
    /// The most connections of one handle, besides the listener's. Default 4.
    pub max_connections: usize,
    /// The most bytes of one task's args, and of its result: 1 to [`limits::BATCH_BYTES_MAX`], so
    /// that a batch can hold one. Default [`limits::PAYLOAD_BYTES_MAX`].
    pub max_payload_bytes: usize,
    /// Who migrates the schema. Default [`Migrate::First`].
    pub migrate: Migrate,
    /// The pooler between this process and the server. Default [`Pooler::None`]; `?pgbouncer=true`
    /// at the end of the URL also means [`Pooler::Transaction`].
    pub pooler: Pooler,
    /// How often a waiting lease call polls behind a pooler, 1 ms to 1 min: the upper bound on the
    /// delay of a task added while a worker waits. Known due times are met exactly. Default 1 s.
    pub poll: Duration,
}

/// The pooler between a process and the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pooler {
    /// No pooler, or one that assigns each client a server for as long as it is connected (session
    /// mode).
    None,
    /// `PgBouncer` or another pooler in transaction mode: each call is a transaction and leaves
    /// nothing behind for the next. Within a transaction the server waits at most a quarter of
    /// [`Options::response`] (0.5 s) for the next message, so that a client that stops half-way
    /// blocks others no longer than that. No statement stays prepared, no startup parameter is
    /// sent, and there is no listener: waiting calls poll every [`Options::poll`] instead of being
    /// woken.
    Transaction,
}

/// Who migrates the schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Migrate {
    /// The first process that finds it missing or old. The others wait.
    First,
    /// None of these processes: a schema that is missing or old is refused.
    Never,
}

/// The most bytes of a schema's name: below Postgres' own limit, which would truncate it silently.
const SCHEMA_BYTES_MAX: usize = 48;
/// More than this is no longer the small pool of one worker.
const CONNECTIONS_MAX: usize = 64;
/// With a longer interval it would hardly be a wait.
const POLL_MAX: Duration = Duration::from_mins(1);

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: "docket".to_owned(),
            connect: Duration::from_secs(2),
            response: Duration::from_secs(2),
            max_connections: 4,
            max_payload_bytes: limits::PAYLOAD_BYTES_MAX,
            migrate: Migrate::First,
            pooler: Pooler::None,
            poll: Duration::from_secs(1),
        }
    }
}

impl Options {
    /// How long the server waits for the next message of a transaction of ours before it ends it:
    /// as long as one of the four answers of a call behind a pooler may take.
    pub(crate) fn silence_max(&self) -> Duration {
        self.response / 4
    }

    /// Rejects options that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts = self.schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let why = if !starts || self.schema.len() > SCHEMA_BYTES_MAX || !self.schema.chars().all(plain) {
            format!("schema is {:?}; it must be lower-case letters, digits and _, 1 to {SCHEMA_BYTES_MAX}", self.schema)
        } else if self.schema.starts_with("pg_") {
            format!("schema is {:?}; Postgres reserves pg_… for itself", self.schema)
        } else if !(1..=CONNECTIONS_MAX).contains(&self.max_connections) {
            format!("max_connections is {}; it must be 1 to {CONNECTIONS_MAX}", self.max_connections)
        } else if !(1..=limits::BATCH_BYTES_MAX).contains(&self.max_payload_bytes) {
            format!("max_payload_bytes is {}; it must be 1 to {}", self.max_payload_bytes, limits::BATCH_BYTES_MAX)
        } else if !(Duration::from_millis(1)..=POLL_MAX).contains(&self.poll) {
            format!("poll is {}; it must be 1ms to {}", display_duration(self.poll), display_duration(POLL_MAX))
        } else {
            return Ok(());
        };
        Err(Error::config("open the docket", why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_is_no_plain_name_is_refused() {
        let with = |schema: &str| Options { schema: schema.to_owned(), ..Options::default() }.check();
        for schema in ["docket", "docket_2", "_x"] {
            assert!(with(schema).is_ok(), "{schema}");
        }
        for schema in ["", "2x", "Docket", "a-b", "a\"b", "a;drop", "pg_x", &"x".repeat(49)] {
            assert!(with(schema).unwrap_err().to_string().contains("schema"), "{schema}");
        }
    }
}
