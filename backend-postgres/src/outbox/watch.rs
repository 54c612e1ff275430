//! The outbox for operators.

use std::time::Duration;

use docket_core::{Error, Finding, Result, Severity, display_duration};
use sqlx::postgres::PgArguments;

use super::Outbox;
use crate::request::{Columns, push};
use crate::statements::Statement;

/// The number of rows that one statement of a clear deletes.
const CLEAR_CHUNK: i64 = 1_000;
/// A row that has waited longer is late: a relay takes milliseconds.
const LATE: Duration = Duration::from_mins(1);
/// The subject of its finding.
const SUBJECT: &str = "outbox";

/// The rows of an outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxCounts {
    /// Rows that wait to be relayed.
    pub waiting: u64,
    /// How long the oldest of them has waited.
    pub oldest: Option<Duration>,
    /// Rows that the queue has refused for good.
    pub refused: u64,
    /// The latest of them.
    pub latest_refused: Option<RefusedRow>,
}

/// A row that the queue has refused for good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedRow {
    /// The key of its task.
    pub key: String,
    /// The queue's error.
    pub error: String,
}

impl Outbox {
    /// Counts the rows of this docket.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub async fn row_counts(&self) -> Result<OutboxCounts> {
        let operation = "count the rows of the outbox";
        let row = self.table.commands.row(&self.table.counts, self.table.arguments()?, operation).await?;
        let columns = Columns::of(&row, operation);
        let (key, error) =
            (columns.read::<Option<String>>("refused_key")?, columns.read::<Option<String>>("refused_error")?);
        Ok(OutboxCounts {
            waiting: columns.count(columns.read("waiting")?)?,
            oldest: columns.optional_duration("oldest")?,
            refused: columns.count(columns.read("refused")?)?,
            latest_refused: key.map(|key| RefusedRow { key, error: error.unwrap_or_default() }),
        })
    }

    /// Lets the refused rows wait again; returns how many. A row that a newer `schedule` of its key
    /// has superseded is deleted instead: the last one counts.
    ///
    /// # Cancel safety
    ///
    /// If dropped, they may or may not wait again.
    pub async fn retry_refused(&self) -> Result<u64> {
        self.count(&self.table.retry, self.table.arguments()?, "let refused rows of the outbox wait again").await
    }

    /// Deletes all rows of this docket.
    pub(super) async fn clear_rows(&self) -> Result<u64> {
        let mut all = 0;
        loop {
            let mut arguments = self.table.arguments()?;
            push(&mut arguments, CLEAR_CHUNK)?;
            let gone = self.count(&self.table.clear, arguments, "clear the outbox").await?;
            if gone == 0 {
                return Ok(all);
            }
            all += gone;
        }
    }

    async fn count(&self, statement: &Statement, arguments: PgArguments, operation: &'static str) -> Result<u64> {
        let row = self.table.commands.row(statement, arguments, operation).await?;
        let columns = Columns::of(&row, operation);
        columns.count(columns.only()?)
    }

    /// The outbox in a report on the store.
    pub(super) async fn finding(&self) -> Finding {
        judge(self.row_counts().await)
    }
}

fn judge(counts: Result<OutboxCounts, Error>) -> Finding {
    let finding = |severity, found, advice: &str| Finding {
        severity,
        subject: SUBJECT.to_owned(),
        found,
        advice: advice.to_owned(),
    };
    let counts = match counts {
        Ok(counts) => counts,
        Err(error) => {
            let advice = "rows wait there, and workers of this docket report it; check the server";
            return finding(Severity::Warning, error.chain(), advice);
        }
    };
    if let Some(RefusedRow { key, error }) = counts.latest_refused {
        let found = format!("{} rows refused for good, the latest of key {key}: {error}", counts.refused);
        return finding(Severity::Warning, found, "fix the cause, then let them wait again, or delete the rows");
    }
    let oldest = counts.oldest.unwrap_or_default();
    let found = format!(
        "{} rows wait, the oldest for {}",
        counts.waiting,
        display_duration(Duration::from_secs(oldest.as_secs()))
    );
    if oldest > LATE {
        return finding(Severity::Warning, found, "start a worker of this docket that has the outbox set up");
    }
    finding(Severity::Ok, found, "")
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;

    #[test]
    fn what_is_late_refused_or_out_of_reach_is_a_warning() {
        let counts = |oldest, refused: Option<&str>| OutboxCounts {
            waiting: 2,
            oldest: Some(Duration::from_secs(oldest)),
            refused: u64::from(refused.is_some()),
            latest_refused: refused.map(|key| RefusedRow { key: key.to_owned(), error: "too large".to_owned() }),
        };
        assert_eq!(judge(Ok(counts(1, None))).severity, Severity::Ok);
        for (counts, said) in [(Ok(counts(61, None)), "2 rows wait"), (Ok(counts(1, Some("k"))), "key k: too large")] {
            let finding = judge(counts);
            assert!(finding.severity == Severity::Warning && finding.found.contains(said), "{finding:?}");
        }
        let away = Error::new(ErrorKind::Unavailable, "count", "refused");
        assert_eq!(judge(Err(away)).severity, Severity::Warning);
    }
}
