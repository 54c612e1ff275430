//! Every task type on every backend, through real workers, its effects checked.
//!
//! The docket's clock is set, so that backoffs, lost leases and a server's "come back later" need
//! no waiting. Object storage is a folder; the moderation service, the labeler and Replicate are
//! stand-ins on loopback.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod catalogue;
mod desk;
mod export;
mod flag;
mod genres;
mod moves;
mod reaper;
mod resolutions;
mod scan;
mod scene;
mod service;

use docket_core::Registry;

conformance_tests::on_every_backend! {
    genres: "classify_genres" {
        the_track_and_the_result_agree,
        an_outage_is_tried_again_no_sooner_than_the_service_says,
        a_worker_killed_while_it_listens_leaves_one_set_of_tags,
    }
    moves: "move_track_audio" {
        the_objects_the_track_and_the_result_agree,
        the_last_of_many_switches_counts,
        a_switch_while_it_moves_is_followed,
        an_outage_is_tried_again_and_the_track_is_never_called_private_too_early,
    }
    flag: "notify_flag" {
        a_scan_that_runs_twice_tells_everybody_once,
        a_worker_killed_behind_the_event_asks_for_the_same_one_again,
        a_worker_killed_behind_the_message_leaves_one_message,
        a_flag_that_a_killed_scan_left_untold_is_told,
        an_outage_of_one_is_tried_again_no_sooner_than_it_says_and_the_other_is_told,
        a_refused_message_is_dead_with_the_reason_and_a_requeue_tells_what_is_missing,
    }
    export: "process_export" {
        the_archive_the_job_and_the_result_agree,
        an_outage_is_tried_again_and_leaves_nothing_visible,
        a_worker_killed_in_the_middle_leaves_one_archive,
        a_cancel_takes_the_upload_back_and_fails_the_job,
        what_can_never_work_is_dead_with_the_reason,
        adding_it_twice_exports_once,
        more_exports_than_may_run_at_once_come_back_uncounted,
    }
    reaper: "reap_exports" {
        a_job_whose_task_was_never_added_is_exported_all_the_same,
        a_job_whose_task_died_of_crashes_fails_with_the_reason,
        a_job_whose_task_was_cancelled_before_it_ran_fails,
        a_job_that_waits_for_its_next_attempt_is_left_alone,
    }
    scan: "scan_copyright" {
        the_row_and_the_result_agree,
        an_outage_is_tried_again_no_sooner_than_the_service_says,
        an_outage_to_the_end_is_a_failed_scan_that_a_requeue_repairs,
        a_worker_killed_while_it_asks_leaves_one_row,
        a_wrong_key_is_dead_at_once_and_a_failed_scan,
    }
    resolutions: "sync_copyright_resolutions" {
        every_five_minutes_flags_are_taken_back,
        a_slot_that_fails_changes_nothing_and_the_next_one_comes,
        a_worker_killed_in_a_slot_is_followed_by_another,
    }
}

#[test]
fn every_task_type_is_run_here() {
    let mut registry = Registry::new();
    docket_tasks::register(&mut registry).unwrap();
    let names: Vec<&str> = registry.names().map(docket_core::TaskName::as_str).collect();
    assert_eq!(names, TASKS, "a task type without cases on every backend");
}
