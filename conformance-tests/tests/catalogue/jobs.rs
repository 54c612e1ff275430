//! Jobs.

use std::time::Duration;

use docket_core::Fence;
use docket_tasks::{Job, JobAnswer, JobState, JobUpdate};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::on_every_catalogue;
use crate::place::{ARTIST, Place};

on_every_catalogue![
    a_job_moves_on_as_it_is_told,
    a_completed_job_never_goes_back,
    a_run_that_lost_its_lease_cannot_write,
    a_failed_job_is_taken_up_by_a_later_run,
    a_result_is_merged_key_by_key,
    a_job_that_is_not_there_says_so,
    of_many_runs_at_once_the_latest_has_the_last_word,
    quiet_exports_are_unfinished_and_were_not_written_lately,
];

fn to(state: JobState) -> JobUpdate {
    JobUpdate { state, message: "at it".to_owned(), progress_pct: None, result: None, error: None }
}

async fn started(place: &Place) {
    place.put_job(Job::pending("e1", ARTIST)).await;
}

async fn update(place: &Place, fence: u64, update: JobUpdate) -> JobAnswer {
    place.catalogue.update_job("e1", Fence(fence), update).await.unwrap()
}

async fn job(place: &Place) -> Job {
    place.catalogue.job("e1").await.unwrap().unwrap()
}

async fn a_job_moves_on_as_it_is_told(place: Place) {
    started(&place).await;
    assert_eq!(job(&place).await, Job::pending("e1", ARTIST));
    let half = JobUpdate { progress_pct: Some(50), ..to(JobState::Processing) };
    assert_eq!(update(&place, 3, half).await, JobAnswer::Updated);
    // Fields that an update leaves out stay.
    assert_eq!(update(&place, 3, to(JobState::Processing)).await, JobAnswer::Updated);
    let found = job(&place).await;
    assert_eq!((found.state, found.progress_pct, found.message.as_str()), (JobState::Processing, 50, "at it"));
    assert_eq!(found.fence, Some(Fence(3)));
}

async fn a_completed_job_never_goes_back(place: Place) {
    started(&place).await;
    assert_eq!(update(&place, 1, to(JobState::Completed)).await, JobAnswer::Updated);
    assert_eq!(update(&place, 2, to(JobState::Processing)).await, JobAnswer::Completed);
    assert_eq!(job(&place).await.state, JobState::Completed);
}

async fn a_run_that_lost_its_lease_cannot_write(place: Place) {
    started(&place).await;
    update(&place, 7, to(JobState::Processing)).await;
    assert_eq!(update(&place, 6, to(JobState::Failed)).await, JobAnswer::Superseded);
    assert_eq!(job(&place).await.state, JobState::Processing);
}

async fn a_failed_job_is_taken_up_by_a_later_run(place: Place) {
    started(&place).await;
    update(&place, 1, JobUpdate { error: Some("away".to_owned()), ..to(JobState::Failed) }).await;
    assert_eq!(job(&place).await.error.as_deref(), Some("away"));
    assert_eq!(update(&place, 2, to(JobState::Processing)).await, JobAnswer::Updated);
    assert_eq!(job(&place).await.error, None);
}

async fn a_result_is_merged_key_by_key(place: Place) {
    started(&place).await;
    for (key, value) in [("total_count", 3), ("processed_count", 1), ("processed_count", 2)] {
        let result = Map::from_iter([(key.to_owned(), value.into())]);
        update(&place, 1, JobUpdate { result: Some(result), ..to(JobState::Processing) }).await;
    }
    assert_eq!(Value::Object(job(&place).await.result), json!({"total_count": 3, "processed_count": 2}));
}

async fn a_job_that_is_not_there_says_so(place: Place) {
    assert_eq!(update(&place, 1, to(JobState::Processing)).await, JobAnswer::NotFound);
}

async fn of_many_runs_at_once_the_latest_has_the_last_word(place: Place) {
    started(&place).await;
    let runs = (1..=20).map(|fence| {
        let result = Map::from_iter([("run".to_owned(), fence.into())]);
        update(&place, fence, JobUpdate { result: Some(result), ..to(JobState::Processing) })
    });
    let answers = join_all(runs).await;
    let found = job(&place).await;
    assert_eq!((found.fence, &found.result["run"]), (Some(Fence(20)), &json!(20)));
    assert!(answers.iter().all(|answer| matches!(answer, JobAnswer::Updated | JobAnswer::Superseded)), "{answers:?}");
}

async fn quiet_exports_are_unfinished_and_were_not_written_lately(place: Place) {
    for id in ["e1", "e2", "e3", "e4"] {
        place.put_job(Job::pending(id, ARTIST)).await;
    }
    for (id, state) in [("e2", JobState::Processing), ("e3", JobState::Completed), ("e4", JobState::Failed)] {
        place.catalogue.update_job(id, Fence(1), to(state)).await.unwrap();
    }
    let quiet = async |quiet_for, limit| {
        let found = place.catalogue.quiet_exports(quiet_for, limit).await.unwrap();
        let mut ids: Vec<_> = found.into_iter().map(|job| job.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(quiet(Duration::ZERO, 10).await, ["e1", "e2"]);
    assert_eq!(quiet(Duration::ZERO, 1).await.len(), 1);
    assert_eq!(quiet(Duration::from_mins(1), 10).await, Vec::<String>::new());
}
