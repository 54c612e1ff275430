//! The rules, one module per subject, one case per rule. The name of a case is the rule.

use futures_util::future::BoxFuture;

use crate::stage::Stage;

mod ack;
mod add;
mod bound;
mod cancel;
mod clock;
mod control;
mod crash;
mod definition;
mod exact;
mod fence;
mod follow;
mod heartbeat;
mod inspect;
mod lease;
mod limit;
mod loss;
mod order;
mod periodic;
mod race;
mod relocate;
mod repeat;
mod requeue;
mod schedule;
mod suspect;
mod unknown;
mod wait;

/// A rule, and how to see whether a backend keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Subject and rule, e.g. `lease::a_live_lease_is_exclusive`.
    pub name: &'static str,
    /// Plays it on an empty docket; panics when the rule is broken.
    pub run: fn(Stage) -> BoxFuture<'static, ()>,
}

/// Every case of the suite.
pub fn all() -> Vec<Case> {
    crate::each_case! { @all }
}

/// The list of the cases: the one place that names them all.
#[doc(hidden)]
#[macro_export]
macro_rules! each_case {
    (@tests_of $($subject:ident { $($case:ident)* })*) => {
        $(mod $subject {
            $(#[test]
            fn $case() {
                $crate::run(concat!(stringify!($subject), "::", stringify!($case)), super::conformance_factory());
            })*
        })*
    };
    (@all_of $($subject:ident { $($case:ident)* })*) => {
        vec![$($($crate::Case {
            name: concat!(stringify!($subject), "::", stringify!($case)),
            run: |stage| Box::pin($subject::$case(stage)),
        }),*),*]
    };
    (@tests) => { $crate::each_case! { @list tests_of } };
    (@all) => { $crate::each_case! { @list all_of } };
    (@list $then:ident) => { $crate::each_case! { @$then
        // SUBJECTS, in alphabetical order, each `subject { case case … }`.
        ack {
            completed_keeps_the_result completed_may_have_no_result unkept_is_completed_with_the_reason
            unkept_leaves_nothing_of_an_earlier_result retry_counts_an_attempt_and_keeps_the_error
            retry_without_a_delay_is_ready_at_once snooze_is_no_attempt release_is_no_attempt_and_no_crash
            undecodable_is_no_attempt undecodable_is_timed_from_the_first
            undecodable_is_forgotten_with_what_could_be_read
            release_keeps_the_place_in_line release_of_a_retried_task_keeps_its_new_place dead_keeps_the_error
            a_run_may_end_as_cancelled_by_itself the_counts_outlive_the_end
            an_error_stays_until_a_newer_one_replaces_it late_but_current_settles
            a_late_retry_is_an_attempt_and_no_crash each_ack_has_its_own_answer the_first_outcome_of_a_token_counts
            settles_and_leases_in_one_call next_sees_what_the_acks_have_done next_never_waits
            every_outcome_is_settled an_outcome_of_a_later_version_is_refused_alone
            next_is_idempotent_by_its_own_id a_delayed_task_gets_its_place_by_its_new_time
        }
        add {
            unfinished_key_is_not_added_twice a_lost_lease_holds_its_key a_cancelled_run_says_so
            finished_key_lives_again a_cancelled_queued_key_lives_again args_come_back_unchanged any_text_is_a_key
            every_letter_of_a_name_is_kept what_the_adder_overrode_reaches_the_worker a_batch_is_answered_in_order
            one_key_twice_in_a_batch_is_added_once one_task_twice_in_a_batch_is_one_call an_empty_batch_is_no_error
            dockets_do_not_meet another_handle_sees_it
        }
        bound {
            oversized_args_do_not_spoil_the_batch oversized_args_cannot_be_scheduled args_of_a_mebibyte_are_taken
            an_oversized_result_is_refused_alone oversized_args_cannot_be_repeated
            a_long_error_is_cut_at_a_character a_batch_of_too_many_items_is_refused_whole
            a_batch_of_too_many_bytes_is_refused_whole a_refusal_names_the_limit
            a_full_batch_goes_through_a_whole_life a_lease_brings_a_batch_at_most
            a_lease_brings_fewer_tasks_rather_than_more_bytes a_small_task_is_not_brought_beyond_the_bytes_either
            a_request_of_too_many_names_is_refused
            finished_tasks_are_kept_for_their_retention a_queued_task_that_was_cancelled_is_kept_for_the_default
            the_dead_are_kept_longest unfinished_tasks_are_never_trimmed a_second_life_is_not_trimmed_with_the_first
            one_call_trims_a_bounded_number acks_trim_too beyond_their_bound_the_oldest_dead_go_first
            beyond_their_bytes_the_oldest_finished_go_first beyond_their_bytes_the_oldest_dead_go_first
            a_batch_of_acks_trims_as_many_as_it_finishes zero_never_means_infinite
        }
        cancel {
            a_queued_task_ends_at_once a_retried_task_ends_at_once a_running_task_is_told
            a_running_task_keeps_its_key a_lost_task_ends_at_once no_outcome_but_completed_survives
            a_passed_deadline_ends_a_cancelled_run a_late_end_of_a_cancelled_run_counts
            the_last_attempt_of_a_cancelled_run_is_not_a_death a_cancelled_run_of_a_periodic_task_is_its_last
            a_running_task_can_be_cancelled_twice a_finished_task_is_left_alone an_absent_key_is_not_found
            it_drops_the_successor it_drops_the_successor_of_a_lost_task a_schedule_after_it_makes_a_new_successor
            a_schedule_after_it_outlives_a_lost_run it_leaves_other_tasks_alone
        }
        clock {
            moving_it_wakes_every_waiter a_step_that_makes_nothing_due_leaves_waiters_waiting
            it_stands_still_until_it_is_moved unset_it_runs the_first_setting_needs_an_empty_docket
            it_never_goes_back every_handle_reads_the_same a_lease_is_measured_by_it_alone each_docket_has_its_own
            leases_and_delays_run_on_after_a_step_back a_step_is_told_with_its_size_and_counted
            a_moment_is_by_the_servers_clock_after_a_step_back a_docket_goes_on_after_a_year_ahead_and_back
            a_parcel_is_by_the_servers_clock settling_takes_the_offset_to_zero settling_waits_for_what_runs
        }
        control {
            clear_takes_everything clear_spares_other_dockets clear_takes_many a_cleared_docket_goes_on
            another_environment_is_refused who_names_no_environment_joins_any joining_changes_no_task
            environments_are_per_docket
        }
        crash {
            counted_when_leased_again a_lost_lease_is_free_at_its_deadline
            a_worker_meets_its_own_lost_lease_as_any_other it_is_no_attempt_and_forgets_none
            it_keeps_the_error_of_the_last_attempt each_loss_is_counted_once
            a_swept_task_is_ready_and_has_its_deadline_as_its_time its_place_in_the_line_outlives_it
            lanes_nobody_asked_for_are_not_swept one_call_sweeps_a_bounded_number all_of_a_dead_worker_come_back
        }
        definition {
            the_latest_is_in_force the_earlier_returns_when_the_later_is_gone an_outage_changes_nothing
            an_interval_counts_from_the_last_start another_queue_is_taken its_counts_start_again
            a_running_one_is_left_alone_until_its_end one_that_is_gone_before_the_end_does_not_follow
            a_cancelled_one_stays_cancelled a_key_of_another_task_is_left_alone
            what_was_scheduled_stays_until_another_is_declared one_that_nobody_declared_is_taken_on
            a_repeated_declaration_gets_its_first_answer a_declaration_that_changes_nothing_is_not_remembered
            failures_in_a_row_are_told one_more_than_are_remembered_waits
        }
        exact {
            not_leased_before_its_delay_has_passed not_leased_before_its_moment a_moment_that_has_passed_is_now
            not_retried_before_its_backoff_has_passed not_woken_before_its_snooze_has_passed
            a_microsecond_apart_is_apart_for_years a_nanosecond_is_rounded_up the_furthest_future_is_ten_years
            an_outcome_beyond_ten_years_is_refused_and_the_lease_stays a_parcel_beyond_ten_years_is_refused
            the_next_due_time_is_told_to_the_microsecond ten_thousand_may_be_due_in_one_microsecond
            a_waiting_worker_has_it_within_milliseconds a_repeat_at_a_moment_is_placed_there
        }
        fence {
            stale_token_settles_nothing a_swept_token_is_stale_before_anybody_retakes_it
            a_token_of_an_earlier_life_is_stale a_settled_token_changes_nothing_more
            a_settled_token_is_powerless_in_the_next_life it_grows_with_every_lease each_task_of_a_call_has_its_own
            no_smaller_than_the_stores_time outlives_trimming never_goes_back_after_clear the_request_is_part_of_the_token
            a_token_is_good_for_its_own_key_alone a_token_of_an_absent_key_is_stale
            a_token_of_another_docket_is_stale
        }
        follow {
            last_schedule_wins promoted_however_the_lease_ends promoted_at_the_attempt_limit promoted_after_a_crash
            promoted_at_the_crash_limit promoted_after_a_periodic_task_whose_chain_it_ends the_running_task_is_untouched
            a_late_run_can_still_be_followed it_keeps_its_own_time a_time_that_passed_meanwhile_is_kept
            it_brings_its_own_name_queue_and_policy it_may_be_a_periodic_task
            it_stands_behind_what_was_added_before_its_promotion a_key_never_has_two_current_tokens
            a_repeated_schedule_does_not_follow_twice a_promoted_task_can_be_followed_again
            a_promoted_task_is_not_trimmed
        }
        heartbeat {
            puts_the_deadline_off holds_a_long_run_for_as_long_as_it_goes_on late_but_current_is_held
            one_lost_lease_does_not_fail_the_others a_settled_lease_is_lost an_absent_key_is_lost
            sets_the_length_it_names counts_nothing_and_settles_nothing over_any_handle_counts
            keeps_the_workers_record
        }
        inspect {
            get_shows_every_state get_shows_the_whole_record get_shows_when_a_task_finished
            list_pages_through_everything_once list_shows_what_get_shows list_filters_by_state
            list_filters_by_name_and_queue a_cursor_outlives_its_task a_cursor_nobody_gave_is_refused
            counts_agree_with_the_records counts_show_how_long_the_oldest_has_been_ready
            counts_show_a_lost_lease_as_ready a_worker_is_shown_until_it_expires a_worker_that_leaves_is_gone
            a_worker_shows_when_it_last_leased a_workers_latest_record_is_shown reading_changes_nothing
            examine_finds_nothing_that_loses_tasks payloads_stay_out_of_debug
        }
        lease {
            a_live_lease_is_exclusive an_expired_lease_is_delivered_again a_task_is_leased_the_moment_it_is_due
            brings_what_was_added the_token_names_its_request lasts_as_long_as_the_request_says
            takes_no_more_than_it_was_asked_for a_count_of_zero_takes_nothing one_reply_has_a_bounded_count
            one_reply_has_bounded_bytes each_lease_has_a_fence_of_its_own an_empty_docket_gives_nothing
            says_when_the_next_is_due says_when_the_next_lease_runs_out says_how_long_the_oldest_has_been_ready
            one_request_serves_many_lanes a_lane_listed_twice_is_served_once any_handle_sees_the_same_docket
        }
        limit {
            attempts_end_a_task crashes_end_a_task the_adder_overrides_the_attempts the_adder_overrides_the_crashes
            the_worker_that_meets_the_crash_decides each_name_has_its_own_crash_limit
            a_worker_of_any_name_keeps_a_crash_limit the_failed_are_kept_with_their_error
            the_crashed_are_named_by_the_call_that_ended_them the_crashed_are_named_as_they_were crashes_are_not_attempts attempts_survive_a_crash
            crashes_survive_a_failed_attempt a_snooze_is_never_counted a_release_is_never_counted
            a_second_life_has_all_its_attempts a_move_starts_counting_again a_repeat_starts_counting_again
        }
        loss {
            every_added_task_is_leased_once a_worker_that_dies_loses_nothing more_lost_leases_than_one_call_sweeps
            more_lost_leases_than_one_call_sweeps_are_not_forgotten_by_it no_outcome_but_the_final_ones_ends_a_task
            a_moment_that_has_passed_means_now trimming_takes_nothing_unfinished a_dropped_lease_call_loses_nothing
            a_dropped_add_can_be_repeated a_dropped_ack_can_be_repeated a_finished_batch_is_all_accounted_for
        }
        order {
            the_earliest_comes_first a_microsecond_is_enough_to_come_first adding_order_breaks_a_tie
            a_batch_is_added_in_its_order ten_thousand_at_once_keep_their_order lost_leases_come_first
            lost_leases_come_in_order_of_their_deadlines lost_leases_of_one_deadline_keep_their_adding_order
            a_retry_waits_behind_those_who_waited_longer a_release_goes_back_before_those_who_came_later
            names_share_one_line workers_of_any_name_see_one_line queues_are_served_in_the_workers_order
            the_earliest_of_all_queues_can_be_asked_for a_move_keeps_the_place_among_equals
            a_second_life_goes_to_the_end a_successor_goes_to_the_end
        }
        periodic {
            a_completed_run_comes_back_at_its_interval a_chain_runs_on many_seeds_make_one_chain
            a_repeat_counts_from_the_start_of_its_run a_repeat_is_never_earlier_than_now
            a_repeat_can_name_its_moment a_repeat_can_carry_new_args a_task_without_an_interval_may_repeat_too
            snoozing_or_releasing_does_not_end_an_occurrence a_move_changes_the_interval a_cancel_ends_the_chain
            a_cancelled_run_does_not_come_back a_cancelled_run_that_is_lost_does_not_come_back
            seeding_does_not_undo_a_cancel seeding_does_not_undo_a_cancel_that_met_a_completed_run
            a_cancelled_chain_is_not_trimmed a_requeue_brings_the_chain_back a_requeue_brings_back_what_never_ran
            an_add_without_an_interval_is_no_seed a_schedule_is_no_seed failed_attempts_do_not_cut_the_chain
            undecodable_args_do_not_cut_the_chain
            an_attempt_that_is_left_is_taken_first a_hopeless_run_does_not_cut_the_chain
            crashes_do_not_cut_the_chain each_crashed_occurrence_in_a_row_doubles_the_wait
            the_wait_after_crashes_ends_at_a_day an_interval_longer_than_a_day_stays an_ack_ends_the_row_of_crashes
            failures_are_counted_until_one_goes_well each_occurrence_counts_for_itself
        }
        race {
            each_task_is_run_once adding_and_working_at_once one_task_has_one_winner one_key_is_added_once
            one_add_repeated_at_once_is_one_task one_chain_is_seeded_once one_key_is_placed_once
            one_request_repeated_at_once_takes_once one_lost_lease_is_one_crash one_ack_repeated_at_once_counts_once
            one_death_is_requeued_once a_cancel_against_a_retry a_cancel_against_a_completion
            a_schedule_against_a_completion a_late_heartbeat_against_a_new_lease a_late_ack_against_a_new_lease
        }
        relocate {
            a_task_that_moves_is_not_leased a_parcel_carries_the_whole_task a_parcel_carries_what_was_counted
            parcels_come_in_the_order_of_the_line one_call_takes_out_a_bounded_number one_call_takes_out_bounded_bytes
            what_was_taken_out_comes_again a_running_task_stays a_successor_moves_once_the_run_is_over
            a_lost_lease_is_one_crash a_token_from_before_the_move_is_stale finished_tasks_stay
            a_docket_moves_to_one_place_at_a_time what_was_let_go_is_over a_periodic_task_let_go_is_not_seeded_again
            a_task_put_back_has_its_place a_ticket_is_good_for_its_own_parcel_alone an_add_finds_the_key_taken
            a_schedule_or_a_cancel_has_to_wait a_schedule_after_it_places_a_new_task
            a_cancel_after_it_says_where_to_ask a_repeated_add_after_it_is_answered a_requeue_changes_nothing
            it_is_counted_and_listed_as_moving what_is_put_back_wakes_a_waiter a_parcel_keeps_its_counts_and_times
            a_parcel_comes_out_again_as_it_went_in parcels_stand_in_the_order_in_which_they_came
            a_parcel_is_taken_in_once a_key_finished_here_lives_again a_periodic_task_goes_and_comes_back
            a_key_taken_here_supersedes_the_parcel a_later_schedule_overtakes_what_arrived_before
            a_schedule_here_is_later_than_one_that_arrives what_moves_on_takes_nothing_in the_fence_goes_on
            an_oversized_parcel_is_refused_alone a_parcel_turned_away_stays_away what_was_taken_in_is_not_turned_away
            a_parcel_wakes_a_waiter
        }
        repeat {
            ack_after_lost_reply ack_twice_in_a_batch ack_after_the_next_lease
            ack_with_another_outcome_changes_nothing ack_of_a_trimmed_record_is_stale ack_with_a_lease_takes_once
            attempts_are_counted_once heartbeat_after_the_ack heartbeat_after_lost_reply add_after_lost_reply
            add_after_a_later_life add_after_many_later_lives add_after_a_move add_that_found_the_key_taken
            add_while_trimming_goes_on one_add_twice_in_a_batch schedule_after_lost_reply
            schedule_after_a_later_move schedule_of_a_successor_after_a_later_one schedule_of_a_successor_that_has_run
            cancel_after_lost_reply cancel_never_hits_a_new_life cancel_that_came_too_late_never_hits_a_new_life
            cancel_never_hits_a_successor_that_came_later requeue_after_lost_reply requeue_never_hits_a_new_life
            lease_after_lost_reply lease_after_the_deadline lease_after_another_has_taken_it
            lease_after_some_were_settled lease_that_arrives_after_its_work_is_done
            lease_that_was_answered_with_nothing lease_that_waited_for_nothing lease_after_a_release
            lease_is_known_by_its_request lease_while_the_first_still_waits
        }
        requeue {
            a_dead_task_lives_again it_is_the_same_task its_counts_start_again what_killed_it_stays_on_the_record
            only_the_death_that_was_seen an_unfinished_task_is_left_alone a_run_that_is_being_cancelled_says_so
            what_did_not_die_is_left_alone a_key_nobody_knows_is_not_found
            a_poisonous_task_can_be_given_another_chance a_dead_task_waits_for_it
            a_requeued_task_outlives_its_old_retention a_periodic_task_cancelled_again_lives_again
            a_repetition_undoes_no_cancel
        }
        schedule {
            places_what_is_not_there moves_a_queued_task moves_a_ready_task_into_the_future
            moves_a_distant_task_to_now moves_a_task_to_another_lane takes_the_new_limits
            moving_twice_leaves_one_task a_retried_task_can_be_moved a_finished_key_is_placed_again
            a_running_task_is_left_alone a_late_run_is_left_alone each_item_has_its_own_answer
            a_key_twice_in_a_batch_is_placed_and_moved
        }
        suspect {
            one_crash_makes_no_suspect two_crashes_make_a_suspect the_second_crash_counts_in_the_call_that_meets_it
            one_at_most_is_leased the_innocent_are_not_held_up a_crowd_of_suspects_does_not_hide_the_innocent
            one_that_may_not_be_leased_is_not_next one_that_ends_well_is_over a_failed_attempt_does_not_clear_one
            a_move_clears_one an_ack_may_ask_for_none
        }
        unknown {
            unasked_name_is_untouched unasked_queue_is_untouched both_name_and_queue_must_be_asked_for
            an_unasked_lost_lease_is_not_counted a_name_nobody_serves_waits_for_its_worker
            a_crowd_of_unknown_tasks_hides_nothing it_is_no_ready_work_of_this_worker a_worker_of_any_name_takes_all
            a_worker_of_any_name_keeps_to_its_queues a_worker_of_any_name_finds_lost_leases
            who_asks_for_nothing_gets_nothing lanes_do_not_run_together a_worker_may_know_a_thousand_names
            another_docket_is_another_world
        }
        wait {
            a_waiter_whose_wait_ends_leaves_the_next_due_time_to_another
            a_waiter_that_is_served_leaves_the_next_due_time_to_another
            a_waiter_that_is_dropped_leaves_the_next_due_time_to_another
            a_waiter_that_dies_with_its_task_leaves_it_to_another two_adds_wake_two_waiters
            what_a_lease_leaves_wakes_the_next_waiter what_a_passer_by_leaves_wakes_a_waiter
            what_a_choosy_waiter_leaves_wakes_the_next what_an_ack_leaves_wakes_a_waiter
            a_wake_up_goes_to_who_can_take_the_task one_task_ends_one_wait
            a_waiter_that_was_dropped_takes_nothing_with_it a_waiter_that_is_dropped_when_woken_loses_no_task
            a_worker_of_thousands_of_lanes_is_woken an_add_wakes_a_waiter_within_milliseconds
            a_cancel_that_promotes_nothing_wakes_nobody a_scheduled_task_starts_on_time
            a_task_scheduled_meanwhile_starts_on_time a_task_scheduled_before_the_next_one_starts_on_time
            a_retried_task_starts_on_time a_lost_task_starts_on_time many_waiters_start_on_time
            a_lease_counts_from_the_look_that_took_it a_wait_ends_at_its_bound without_a_wait_the_answer_comes_at_once a_task_put_off_starts_on_time
            the_next_occurrence_starts_on_time a_name_seen_for_the_first_time_starts_on_time
            a_task_lost_after_a_renewal_starts_on_time an_add_wakes_a_waiter a_waiter_of_any_name_is_woken
            a_schedule_wakes_a_waiter a_move_wakes_a_waiter a_requeue_wakes_a_waiter a_release_wakes_a_waiter
            a_retry_wakes_a_waiter a_promoted_successor_wakes_a_waiter a_lost_lease_wakes_a_waiter
            what_is_ready_is_not_waited_for some_are_enough_to_end_a_wait a_wake_up_is_kept_while_nobody_waits
            next_visible_ignores_unasked_names next_visible_ignores_unasked_queues
        }
    } };
}
