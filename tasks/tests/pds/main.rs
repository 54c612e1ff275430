//! The ATProto side against a real PDS with its PLC directory and its authorization server.
//!
//! Not among the tests that run by default: `just pds` installs the servers and runs these. Without them they fail.
//! The tasks run through real workers, on every backend, with the docket's clock set.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod client;
mod comments;
mod database;
mod gate;
mod identity;
mod likes;
mod lists;
mod rows;
mod scrobbles;
mod server;
mod setbacks;
mod sync;
mod world;

use docket_core::{Registry, TaskName};

conformance_tests::on_every_backend! {
    comments: "pds_comment" {
        it_is_created_edited_and_deleted,
        of_a_burst_of_edits_the_last_wins,
        an_edit_while_it_is_created_is_not_lost,
        a_worker_killed_behind_any_effect_leaves_one_record,
        one_that_is_deleted_before_it_was_written_is_never_seen,
        what_can_never_work_is_dead_with_the_reason,
    }
    likes: "pds_like" {
        a_like_is_a_record_and_an_unlike_takes_it_away,
        a_burst_of_changes_ends_as_the_row,
        a_worker_killed_behind_the_put_leaves_one_record,
        a_worker_killed_behind_the_row_leaves_one_record,
        a_worker_killed_behind_the_delete_leaves_none,
        an_unlike_while_the_like_is_written_leaves_none,
        an_unlike_nobody_scheduled_is_seen_by_the_run_it_overtook,
        what_nobody_wants_is_nothing,
    }
    lists: "sync_album_list" {
        it_is_written_and_only_when_something_changed,
        the_order_the_artist_gave_it_is_kept,
        a_burst_of_uploads_is_one_write,
        a_worker_killed_behind_the_put_leaves_one_record,
        a_write_of_somebody_else_in_between_is_read_again,
        what_can_never_work_is_dead_and_what_is_gone_is_done,
    }
    sync: "sync_atproto" {
        a_login_brings_everything_up_to_date_and_the_next_one_writes_nothing,
        a_changed_profile_keeps_the_day_it_was_made,
        a_part_that_fails_stops_no_other_and_is_tried_again,
        a_worker_killed_behind_any_write_leaves_one_record_of_each,
        a_login_wakes_what_waited_for_it,
    }
    setbacks: "pds_like" {
        who_is_logged_out_is_waited_for_and_a_login_wakes_it,
        who_stays_logged_out_is_given_up_after_a_day_and_still_woken,
        an_overloaded_pds_is_asked_again_no_sooner_than_it_says,
        what_can_never_work_is_dead_with_the_reason,
        a_deleted_account_is_parked_like_a_logout,
    }
    scrobbles: "scrobble_to_teal" {
        a_play_and_what_is_playing_are_reported_once,
        a_worker_killed_behind_either_write_leaves_one_play,
        a_late_run_reports_the_play_and_no_stale_status,
        an_older_play_does_not_replace_a_newer_status,
        a_refused_status_does_not_cost_the_play,
        a_parked_play_is_woken_by_a_login,
        what_is_not_wanted_or_not_known_writes_nothing,
    }
}

#[test]
fn every_task_that_writes_to_a_pds_is_run_here() {
    let mut registry = Registry::new();
    docket_tasks::register_pds(&mut registry).unwrap();
    for name in registry.names().map(TaskName::as_str) {
        assert!(TASKS.contains(&name), "{name} is without cases against a PDS");
    }
}
