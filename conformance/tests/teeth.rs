//! The suite has teeth: each broken store fails the cases that are there for it.
//!
//! `DOCKET_TEETH=all` runs every case on every broken store instead, and prints which caught what.

use std::collections::BTreeSet;
use std::panic;
use std::sync::{Mutex, Once, PoisonError};

use docket_conformance::model::Models;
use docket_conformance::teeth::Fault;
use docket_conformance::{all, run};

/// Cases that run at the same time: most of those that fail by waiting do nothing else.
const THREADS: usize = 16;
/// The name of the threads of broken stores, whose panics are expected.
const BROKEN: &str = "broken-store";

/// One test per fault, with the cases of which each must fail on it.
macro_rules! teeth {
    ($($test:ident: $fault:ident => $($case:literal)+;)*) => {
        $(#[test]
        fn $test() {
            is_caught(Fault::$fault, &[$($case),+]);
        })*

        const BITTEN: &[Fault] = &[$(Fault::$fault),*];
    };
}

teeth! {
    loses_a_task: LosesATask =>
        "loss::more_lost_leases_than_one_call_sweeps"
        "order::a_batch_is_added_in_its_order";
    promotes_only_on_completed: PromotesOnlyOnCompleted =>
        "follow::promoted_however_the_lease_ends"
        "follow::promoted_after_a_crash"
        "follow::promoted_at_the_attempt_limit";
    ignores_the_fence: IgnoresTheFence =>
        "fence::stale_token_settles_nothing"
        "fence::a_token_of_an_earlier_life_is_stale"
        "race::a_late_heartbeat_against_a_new_lease";
    delivers_twice: DeliversTwice =>
        "lease::a_live_lease_is_exclusive"
        "race::one_task_has_one_winner";
    fence_per_key: FencePerKey =>
        "fence::outlives_trimming"
        "fence::it_grows_with_every_lease"
        "fence::each_task_of_a_call_has_its_own";
    clear_forgets_the_fence: ClearForgetsTheFence =>
        "fence::never_goes_back_after_clear";
    fences_only_count: FencesOnlyCount =>
        "fence::no_smaller_than_the_stores_time";
    current_whatever_the_state: CurrentWhateverTheState =>
        "repeat::heartbeat_after_the_ack"
        "fence::a_settled_token_changes_nothing_more";
    cancel_ends_a_running_task: CancelEndsARunningTask =>
        "cancel::a_running_task_keeps_its_key"
        "cancel::a_running_task_is_told";
    replays_stored_replies: ReplaysStoredReplies =>
        "repeat::lease_after_another_has_taken_it"
        "repeat::lease_after_some_were_settled";
    forgets_the_crash: ForgetsTheCrash =>
        "crash::counted_when_leased_again"
        "limit::crashes_end_a_task";
    repeat_keeps_the_counts: RepeatKeepsTheCounts =>
        "limit::a_repeat_starts_counting_again";
    limits_tested_with_greater: LimitsTestedWithGreater =>
        "limit::attempts_end_a_task"
        "limit::crashes_end_a_task";
    move_keeps_the_counts: MoveKeepsTheCounts =>
        "limit::a_move_starts_counting_again"
        "suspect::a_move_clears_one";
    takes_every_suspect: TakesEverySuspect =>
        "suspect::one_at_most_is_leased";
    cuts_far_times: CutsFarTimes =>
        "exact::the_furthest_future_is_ten_years";
    leases_early: LeasesEarly =>
        "exact::not_leased_before_its_delay_has_passed"
        "exact::not_leased_before_its_moment"
        "exact::not_retried_before_its_backoff_has_passed";
    forgets_the_wake_up: ForgetsTheWakeUp =>
        "wait::an_add_wakes_a_waiter";
    orders_by_key: OrdersByKey =>
        "order::adding_order_breaks_a_tie"
        "order::a_batch_is_added_in_its_order";
    lost_leases_go_last: LostLeasesGoLast =>
        "order::lost_leases_come_first";
    release_loses_its_place: ReleaseLosesItsPlace =>
        "ack::release_keeps_the_place_in_line"
        "order::a_release_goes_back_before_those_who_came_later";
    starves_the_last_queue: StarvesTheLastQueue =>
        "order::the_earliest_of_all_queues_can_be_asked_for";
    forgets_acks: ForgetsAcks =>
        "repeat::ack_after_lost_reply"
        "repeat::ack_twice_in_a_batch";
    forgets_add_ids: ForgetsAddIds =>
        "repeat::add_after_a_later_life";
    answers_a_repeated_add_afresh: AnswersARepeatedAddAfresh =>
        "repeat::add_after_lost_reply"
        "repeat::add_that_found_the_key_taken";
    schedules_again: SchedulesAgain =>
        "repeat::schedule_after_lost_reply"
        "repeat::schedule_after_a_later_move";
    forgets_leases: ForgetsLeases =>
        "repeat::lease_after_lost_reply"
        "repeat::lease_after_the_deadline";
    replays_or_takes_fresh: ReplaysOrTakesFresh =>
        "repeat::lease_that_arrives_after_its_work_is_done";
    forgets_empty_requests: ForgetsEmptyRequests =>
        "repeat::lease_that_was_answered_with_nothing"
        "repeat::lease_that_waited_for_nothing";
    cancels_by_key_alone: CancelsByKeyAlone =>
        "repeat::cancel_after_lost_reply"
        "repeat::cancel_never_hits_a_new_life";
    requeues_by_key_alone: RequeuesByKeyAlone =>
        "repeat::requeue_never_hits_a_new_life"
        "requeue::only_the_death_that_was_seen"
        "requeue::a_repetition_undoes_no_cancel";
    leaks_a_record: LeaksARecord =>
        "limit::crashes_end_a_task";
    leaves_finished_on_clear: LeavesFinishedOnClear =>
        "control::clear_takes_everything";
    never_trims: NeverTrims =>
        "bound::finished_tasks_are_kept_for_their_retention"
        "bound::acks_trim_too";
    oversized_item_spoils_the_batch: OversizedItemSpoilsTheBatch =>
        "bound::oversized_args_do_not_spoil_the_batch"
        "bound::an_oversized_result_is_refused_alone";
    leases_unasked_names: LeasesUnaskedNames =>
        "unknown::unasked_name_is_untouched"
        "unknown::unasked_queue_is_untouched";
    sweeps_unasked_names: SweepsUnaskedNames =>
        "unknown::an_unasked_lost_lease_is_not_counted"
        "crash::lanes_nobody_asked_for_are_not_swept";
    counts_unasked_names: CountsUnaskedNames =>
        "wait::next_visible_ignores_unasked_names"
        "wait::next_visible_ignores_unasked_queues";
    cancel_is_only_a_flag: CancelIsOnlyAFlag =>
        "cancel::no_outcome_but_completed_survives"
        "cancel::a_passed_deadline_ends_a_cancelled_run";
    seed_undoes_a_cancel: SeedUndoesACancel =>
        "periodic::seeding_does_not_undo_a_cancel";
    limit_kills_a_periodic_task: LimitKillsAPeriodicTask =>
        "periodic::failed_attempts_do_not_cut_the_chain"
        "periodic::crashes_do_not_cut_the_chain";
    late_heartbeat_is_lost: LateHeartbeatIsLost =>
        "heartbeat::late_but_current_is_held";
    move_loses_its_place: MoveLosesItsPlace =>
        "order::a_move_keeps_the_place_among_equals";
    successor_jumps_the_line: SuccessorJumpsTheLine =>
        "order::a_successor_goes_to_the_end";
    crash_settles_the_token: CrashSettlesTheToken =>
        "fence::a_swept_token_is_stale_before_anybody_retakes_it";
    replay_keeps_the_deadline: ReplayKeepsTheDeadline =>
        "repeat::lease_after_lost_reply";
    ignores_retention: IgnoresRetention =>
        "bound::finished_tasks_are_kept_for_their_retention";
    takes_any_number_of_lanes: TakesAnyNumberOfLanes =>
        "bound::a_request_of_too_many_names_is_refused";
    bounds_by_number_alone: BoundsByNumberAlone =>
        "bound::beyond_their_bytes_the_oldest_finished_go_first"
        "bound::beyond_their_bytes_the_oldest_dead_go_first";
    trims_without_bound: TrimsWithoutBound =>
        "bound::one_call_trims_a_bounded_number";
    sweeps_without_bound: SweepsWithoutBound =>
        "crash::one_call_sweeps_a_bounded_number";
    cancel_keeps_the_successor: CancelKeepsTheSuccessor =>
        "cancel::it_drops_the_successor";
    repeat_counts_from_now: RepeatCountsFromNow =>
        "periodic::a_repeat_counts_from_the_start_of_its_run";
    crashed_chains_hurry: CrashedChainsHurry =>
        "periodic::each_crashed_occurrence_in_a_row_doubles_the_wait";
    late_ack_is_stale: LateAckIsStale =>
        "ack::late_but_current_settles";
    unkept_says_nothing: UnkeptSaysNothing =>
        "ack::unkept_is_completed_with_the_reason"
        "ack::unkept_leaves_nothing_of_an_earlier_result";
    names_what_follows_a_crash: NamesWhatFollowsACrash =>
        "limit::the_crashed_are_named_as_they_were";
    sweeps_for_a_move_unseen: SweepsForAMoveUnseen =>
        "relocate::what_the_sweep_ends_is_told";
    counts_forbidden_suspects: CountsForbiddenSuspects =>
        "suspect::one_that_may_not_be_leased_is_not_next";
    clock_wakes_nobody: ClockWakesNobody =>
        "clock::moving_it_wakes_every_waiter";
    environments_mix: EnvironmentsMix =>
        "control::another_environment_is_refused";
    counts_the_wait: CountsTheWait =>
        "wait::a_lease_counts_from_the_look_that_took_it";
    one_waiter_watches: OneWaiterWatches =>
        "wait::a_waiter_that_is_dropped_leaves_the_next_due_time_to_another";
    polls: Polls =>
        "exact::a_waiting_worker_has_it_within_milliseconds"
        "wait::a_scheduled_task_starts_on_time";
    trims_one_calls_worth: TrimsOneCallsWorth =>
        "bound::a_batch_of_acks_trims_as_many_as_it_finishes";
    zero_means_infinite: ZeroMeansInfinite =>
        "bound::zero_never_means_infinite";
    cancel_holds_the_key: CancelHoldsTheKey =>
        "add::a_cancelled_queued_key_lives_again";
    refuses_an_empty_batch: RefusesAnEmptyBatch =>
        "add::an_empty_batch_is_no_error";
    end_forgets_the_counts: EndForgetsTheCounts =>
        "ack::the_counts_outlive_the_end";
    seeds_change_nothing: SeedsChangeNothing =>
        "definition::the_latest_is_in_force"
        "definition::another_queue_is_taken";
    last_seed_wins: LastSeedWins =>
        "definition::the_latest_is_in_force";
    outage_forgets_who_lives: OutageForgetsWhoLives =>
        "definition::an_outage_changes_nothing";
    redefined_waits_for_the_old_interval: RedefinedWaitsForTheOldInterval =>
        "definition::an_interval_counts_from_the_last_start";
    redefines_a_running_task: RedefinesARunningTask =>
        "definition::a_running_one_is_left_alone_until_its_end";
    definition_undoes_a_cancel: DefinitionUndoesACancel =>
        "definition::a_cancelled_one_stays_cancelled";
    undecodable_is_death: UndecodableIsDeath =>
        "ack::undecodable_is_no_attempt"
        "periodic::undecodable_args_do_not_cut_the_chain";
    undecodable_starts_over: UndecodableStartsOver =>
        "ack::undecodable_is_timed_from_the_first";
    first_schedule_wins: FirstScheduleWins =>
        "follow::last_schedule_wins";
    followed_once: FollowedOnce =>
        "follow::a_promoted_task_can_be_followed_again";
    successor_waits_from_its_promotion: SuccessorWaitsFromItsPromotion =>
        "follow::a_time_that_passed_meanwhile_is_kept";
    requeue_draws_no_fence: RequeueDrawsNoFence =>
        "requeue::a_periodic_task_cancelled_again_lives_again";
    joining_empties_the_docket: JoiningEmptiesTheDocket =>
        "control::joining_changes_no_task";
    clock_stands_still: ClockStandsStill =>
        "clock::unset_it_runs";
    steps_stop_time: StepsStopTime =>
        "clock::leases_and_delays_run_on_after_a_step_back"
        "clock::a_docket_goes_on_after_a_year_ahead_and_back";
    translates_no_moment: TranslatesNoMoment =>
        "clock::a_moment_is_by_the_servers_clock_after_a_step_back"
        "clock::a_parcel_is_by_the_servers_clock";
    settling_moves_time: SettlingMovesTime =>
        "clock::settling_takes_the_offset_to_zero";
    settles_beside_runs: SettlesBesideRuns =>
        "clock::settling_waits_for_what_runs";
    absent_is_fine: AbsentIsFine =>
        "cancel::an_absent_key_is_not_found"
        "fence::a_token_of_an_absent_key_is_stale"
        "heartbeat::an_absent_key_is_lost";
    dockets_meet: DocketsMeet =>
        "add::dockets_do_not_meet"
        "control::clear_spares_other_dockets"
        "control::environments_are_per_docket"
        "unknown::another_docket_is_another_world";
    guesses_at_new_outcomes: GuessesAtNewOutcomes =>
        "ack::an_outcome_of_a_later_version_is_refused_alone";
    leases_what_moves: LeasesWhatMoves =>
        "relocate::a_task_that_moves_is_not_leased";
    lets_go_without_a_trace: LetsGoWithoutATrace =>
        "relocate::what_was_let_go_is_over"
        "relocate::a_periodic_task_let_go_is_not_seeded_again"
        "relocate::a_repeated_add_after_it_is_answered";
    moves_to_two_places: MovesToTwoPlaces =>
        "relocate::a_docket_moves_to_one_place_at_a_time";
    arrivals_start_counting_again: ArrivalsStartCountingAgain =>
        "relocate::a_parcel_keeps_its_counts_and_times"
        "relocate::a_parcel_comes_out_again_as_it_went_in";
    takes_in_twice: TakesInTwice =>
        "relocate::a_parcel_is_taken_in_once";
    turns_away_once: TurnsAwayOnce =>
        "relocate::a_parcel_turned_away_stays_away";
    strange_cursor_starts_over: StrangeCursorStartsOver =>
        "inspect::a_cursor_nobody_gave_is_refused";
    loses_tasks_by_setting: LosesTasksBySetting =>
        "inspect::examine_finds_nothing_that_loses_tasks";
}

#[test]
fn every_fault_has_a_test() {
    let bitten: BTreeSet<String> = BITTEN.iter().map(|fault| format!("{fault:?}")).collect();
    let all: BTreeSet<String> = Fault::ALL.iter().map(|fault| format!("{fault:?}")).collect();
    assert_eq!(bitten, all);
}

#[test]
fn every_invariant_is_broken_by_some_store() {
    let broken: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.breaks()).collect();
    for invariant in ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9"] {
        assert!(broken.contains(invariant), "no store breaks {invariant}");
    }
}

#[expect(clippy::print_stdout, reason = "which case caught what is the point of the run")]
fn is_caught(fault: Fault, expected: &[&'static str]) {
    let whole = std::env::var("DOCKET_TEETH").is_ok_and(|which| which == "all");
    let cases = if whole { all().iter().map(|case| case.name).collect() } else { expected.to_vec() };
    let caught = failing(fault, cases);
    println!("{fault:?} ({}) is caught by {}", fault.breaks(), caught.join(" "));
    for case in expected {
        // A case that is not there fails as well.
        assert!(all().iter().any(|known| known.name == *case), "there is no case {case}");
        assert!(caught.contains(case), "{case} passes on a store that {fault:?}");
    }
}

/// The `cases` that fail on a store with this fault.
fn failing(fault: Fault, cases: Vec<&'static str>) -> Vec<&'static str> {
    quiet();
    let left = Mutex::new(cases);
    let caught = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = next(&left) {
            if panic::catch_unwind(|| run(case, Models::with_fault(fault))).is_err() {
                caught.lock().unwrap_or_else(PoisonError::into_inner).push(case);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let thread = std::thread::Builder::new().name(BROKEN.to_owned());
            thread.spawn_scoped(scope, work).expect("a test can have threads");
        }
    });
    let mut caught = caught.into_inner().unwrap_or_else(PoisonError::into_inner);
    caught.sort_unstable();
    caught
}

fn next(left: &Mutex<Vec<&'static str>>) -> Option<&'static str> {
    left.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Keeps the panics of broken stores, and of the runtimes their cases use, out of the output.
fn quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let wanted = thread.name().is_some_and(|name| name == BROKEN || name.starts_with("tokio-"));
            if !wanted {
                usual(info);
            }
        }));
    });
}
