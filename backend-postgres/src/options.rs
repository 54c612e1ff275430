//! What can be set.

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
    /// How long an answer may take, the sending of a full batch (8 MiB) included. A call's deadline is `connect` and
    /// `response` together. Default 2 s; raise it where the network is slow: behind a pooler a call is four round trips.
    pub response: Duration,
    /// Connections of one handle, at most, beside the one that listens. Default 4.
    pub connections_max: usize,
    /// Bytes of one task's args, and of its result, at most: 1 to [`limits::BATCH_BYTES_MAX`], so that a batch can hold
    /// one. Default [`limits::PAYLOAD_BYTES_MAX`].
    pub payload_bytes_max: usize,
    /// Who brings the schema up to date. Default [`Migrate::First`].
    pub migrate: Migrate,
    /// What stands between this process and the server. Default [`Pooler::None`]; `?pgbouncer=true` at the end of the URL
    /// says [`Pooler::Transaction`] as well.
    pub pooler: Pooler,
    /// How often a waiting lease call looks for tasks behind a pooler, 1 ms to 1 min: what is added meanwhile starts so much
    /// later at most. What is due later starts in time. Default 1 s.
    pub poll: Duration,
}

/// What stands between a process and the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pooler {
    /// Nothing, or a pooler that keeps a server for each client as long as it is connected (session mode).
    None,
    /// `PgBouncer` or another pooler in transaction mode: each call is a transaction, and nothing is left behind for the
    /// next. Between two messages of a transaction the server waits for a quarter of [`Options::response`] (0.5 s), so that a
    /// client that stops in the middle holds nobody up for longer. No statement stays prepared, nothing is asked for at the start of a connection, and nobody listens: waiting
    /// calls look every [`Options::poll`] instead of being woken.
    Transaction,
}

/// Who brings the schema up to date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Migrate {
    /// The first process that finds it missing or old. Others wait meanwhile.
    First,
    /// Somebody else: a schema that is missing or old is refused.
    Never,
}

/// Bytes of a schema's name: below Postgres' own bound, which would cut it silently.
const SCHEMA_BYTES_MAX: usize = 48;
/// More connections than this are no longer a small pool of one worker.
const CONNECTIONS_MAX: usize = 64;
/// Looks that are further apart are no wait.
const POLL_MAX: Duration = Duration::from_mins(1);

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: "docket".to_owned(),
            connect: Duration::from_secs(2),
            response: Duration::from_secs(2),
            connections_max: 4,
            payload_bytes_max: limits::PAYLOAD_BYTES_MAX,
            migrate: Migrate::First,
            pooler: Pooler::None,
            poll: Duration::from_secs(1),
        }
    }
}

impl Options {
    /// How long a transaction of ours waits for its client between two messages, before the server ends it: as long as one
    /// of the four answers that a call behind a pooler waits for.
    pub(crate) fn silence_max(&self) -> Duration {
        self.response / 4
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts = self.schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let why = if !starts || self.schema.len() > SCHEMA_BYTES_MAX || !self.schema.chars().all(plain) {
            format!("schema is {:?}; it must be lower-case letters, digits and _, 1 to {SCHEMA_BYTES_MAX}", self.schema)
        } else if self.schema.starts_with("pg_") {
            format!("schema is {:?}; Postgres reserves pg_… for itself", self.schema)
        } else if !(1..=CONNECTIONS_MAX).contains(&self.connections_max) {
            format!("connections_max is {}; it must be 1 to {CONNECTIONS_MAX}", self.connections_max)
        } else if !(1..=limits::BATCH_BYTES_MAX).contains(&self.payload_bytes_max) {
            format!("payload_bytes_max is {}; it must be 1 to {}", self.payload_bytes_max, limits::BATCH_BYTES_MAX)
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
