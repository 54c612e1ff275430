//! Comments: one record in the author's repository, with the text the row has now.
//!
//! Created, edited and deleted by one task per comment, which reads the row: an edit is never lost to the creation it
//! overtook, two edits have one order, and a comment that is deleted before it was written is never seen.

use std::time::Duration;

use docket_core::{Add, Client, Context, Failure, Policy, Receipt, Result, Task};
use serde::{Deserialize, Serialize};

use crate::pds::{ATTEMPTS_MAX, backoff, converge, failure};
use crate::{Change, Record, RecordReport, Services};

/// Makes a comment on its author's PDS match the row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PdsComment {
    /// The loop.
    pub comment_id: i64,
}

impl PdsComment {
    /// The task about to be scheduled: await it, or send it in the transaction that changes the row
    /// (`docket_postgres::InTransaction`).
    pub fn add(client: &Client, comment_id: i64) -> Add {
        client.schedule(Self { comment_id }).key(format!("comment:{comment_id}"))
    }
}

/// Schedules it, after the row was changed. A burst of edits is one run.
#[tracing::instrument(name = "scheduled pds comment via docket", skip_all, fields(comment_id = comment_id))]
pub async fn schedule_pds_comment(client: &Client, comment_id: i64, change: Change) -> Result<Receipt> {
    let receipt = PdsComment::add(client, comment_id).await?;
    tracing::info!(comment_id, "scheduled pds comment {} via docket", change.as_str());
    Ok(receipt)
}

impl Task for PdsComment {
    const NAME: &'static str = "pds_comment";
    type Output = RecordReport;

    fn policy() -> Policy {
        Policy {
            max_attempts: ATTEMPTS_MAX,
            backoff: backoff(),
            // Above what one round of calls may take, each with a deadline of its own.
            timeout: Duration::from_mins(2),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<RecordReport, Failure> {
        let services = ctx.state::<Services>()?;
        let record = Record::Comment { id: self.comment_id };
        converge(services.pds()?, &record).await.map_err(|error| failure(error, &ctx))
    }
}
