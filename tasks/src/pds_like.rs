//! Like and unlike: one record in the user's repository, there while the row is.
//!
//! One task per user and track, whatever the user does: it reads the row and makes the record follow. A like and an
//! unlike in any order, twice, or late, end as the row; a burst of both is one run, since every change schedules the same
//! key.

use std::time::Duration;

use docket_core::{Add, Client, Context, Failure, Policy, Receipt, Result, Task};
use serde::{Deserialize, Serialize};

use crate::pds::{ATTEMPTS_MAX, backoff, converge, failure};
use crate::{Change, Record, RecordReport, Services};

/// Makes the like of a track on its user's PDS match the row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PdsLike {
    /// The user who likes it, or did.
    pub did: String,
    /// What.
    pub track_id: i64,
}

impl PdsLike {
    /// The task about to be scheduled: await it, or send it in the transaction that changes the row
    /// (`docket_postgres::InTransaction`).
    pub fn add(client: &Client, did: &str, track_id: i64) -> Add {
        let task = Self { did: did.to_owned(), track_id };
        client.schedule(task).key(format!("like:{did}:{track_id}"))
    }
}

/// Schedules it, after the row was changed. A like still on its way is caught up with.
#[tracing::instrument(name = "scheduled pds like via docket", skip_all, fields(did = did, track_id = track_id))]
pub async fn schedule_pds_like(client: &Client, did: &str, track_id: i64, change: Change) -> Result<Receipt> {
    let receipt = PdsLike::add(client, did, track_id).await?;
    tracing::info!(did, track_id, "scheduled pds like {} via docket", change.as_str());
    Ok(receipt)
}

impl Task for PdsLike {
    const NAME: &'static str = "pds_like";
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
        let Self { did, track_id } = self;
        converge(services.pds()?, &Record::Like { did, track_id }).await.map_err(|error| failure(error, &ctx))
    }
}
