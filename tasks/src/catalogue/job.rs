//! A job, and the one guarded way it moves.

use docket_core::Fence;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A piece of work a user can watch.
#[derive(Clone, PartialEq, Debug)]
pub struct Job {
    /// Its identity: for an export, the export id.
    pub id: String,
    /// Whose it is.
    pub owner_did: String,
    /// Where it is.
    pub state: JobState,
    /// A sentence for the user.
    pub message: String,
    /// 0 to 100.
    pub progress_pct: u8,
    /// Its results so far.
    pub result: Map<String, Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// The largest fence that wrote to it.
    pub fence: Option<Fence>,
}

/// Where a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Nobody has begun.
    Pending,
    /// A run is at it, or will be again.
    Processing,
    /// Done. Final.
    Completed,
    /// Given up. Only a later run can take it up again.
    Failed,
}

/// A step of a job; a field that is `None` stays as it was.
#[derive(Clone, PartialEq, Debug)]
pub struct JobUpdate {
    /// Where it is now.
    pub state: JobState,
    /// A sentence for the user.
    pub message: String,
    /// 0 to 100.
    pub progress_pct: Option<u8>,
    /// Merged into the stored result, key by key.
    pub result: Option<Map<String, Value>>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The answer to [`crate::Catalogue::update_job`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobAnswer {
    /// It is as the update says.
    Updated,
    /// It was completed before; nothing was changed.
    Completed,
    /// A later run has it; nothing was changed.
    Superseded,
    /// The job does not exist.
    NotFound,
}

impl Job {
    /// A job nobody has begun.
    pub fn pending(id: impl Into<String>, owner_did: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            owner_did: owner_did.into(),
            state: JobState::Pending,
            message: String::new(),
            progress_pct: 0,
            result: Map::new(),
            error: None,
            fence: None,
        }
    }

    /// The guarded transition of [`crate::Catalogue::update_job`].
    pub fn apply(&mut self, fence: Fence, update: JobUpdate) -> JobAnswer {
        if self.state == JobState::Completed {
            return JobAnswer::Completed;
        }
        if self.fence.is_some_and(|latest| fence < latest) {
            return JobAnswer::Superseded;
        }
        let JobUpdate { state, message, progress_pct, result, error } = update;
        self.fence = Some(fence);
        self.state = state;
        self.message = message;
        self.progress_pct = progress_pct.unwrap_or(self.progress_pct).min(100);
        self.result.extend(result.unwrap_or_default());
        // A job that is taken up again has not failed.
        self.error = error;
        JobAnswer::Updated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(state: JobState) -> JobUpdate {
        JobUpdate { state, message: String::new(), progress_pct: None, result: None, error: None }
    }

    #[test]
    fn a_completed_job_never_goes_back_to_processing() {
        let mut job = Job::pending("e", "did:plc:ada");
        assert_eq!(job.apply(Fence(1), to(JobState::Completed)), JobAnswer::Updated);
        assert_eq!(job.apply(Fence(2), to(JobState::Processing)), JobAnswer::Completed);
        assert_eq!(job.state, JobState::Completed);
    }

    #[test]
    fn a_run_that_lost_its_lease_cannot_write() {
        let mut job = Job::pending("e", "did:plc:ada");
        job.apply(Fence(7), to(JobState::Processing));
        assert_eq!(job.apply(Fence(6), to(JobState::Failed)), JobAnswer::Superseded);
        assert_eq!(job.state, JobState::Processing);
    }

    #[test]
    fn a_failed_job_is_taken_up_by_a_later_run_and_its_error_goes() {
        let mut job = Job::pending("e", "did:plc:ada");
        job.apply(Fence(1), JobUpdate { error: Some("away".into()), ..to(JobState::Failed) });
        assert_eq!(job.apply(Fence(2), to(JobState::Processing)), JobAnswer::Updated);
        assert_eq!((job.state, job.error), (JobState::Processing, None));
    }

    #[test]
    fn a_result_is_merged_key_by_key() {
        let mut job = Job::pending("e", "did:plc:ada");
        for (key, value) in [("total_count", 3), ("processed_count", 1), ("processed_count", 2)] {
            let result = Map::from_iter([(key.to_owned(), value.into())]);
            job.apply(Fence(1), JobUpdate { result: Some(result), ..to(JobState::Processing) });
        }
        assert_eq!(Value::Object(job.result), serde_json::json!({"total_count": 3, "processed_count": 2}));
    }
}
