//! The worker, on every backend: real tasks, real time, real loops. What needs no server and no real time is in
//! `core/tests/worker`.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod ahead;
mod blocking;
mod cases;
mod deaths;
mod finished;
mod jobs;
mod logs;
mod payloads;
mod results;
mod suspects;

use std::sync::Arc;
use std::time::Duration;

use docket_core::{DocketName, Store};

/// One test per case and backend.
macro_rules! on_every_backend {
    ($($module:ident::$case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(super::memory_store()).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(super::redis_store(stringify!($case)).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(super::postgres_store(stringify!($case)).await).await;
            })*
        }
        mod pgbouncer {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(super::pgbouncer_store(stringify!($case)).await).await;
            })*
        }
    };
}

on_every_backend!(
    cases::a_run_completes_and_its_result_is_kept,
    cases::a_panic_is_a_failed_attempt,
    cases::used_up_attempts_leave_a_dead_task_with_its_error,
    cases::args_that_no_build_can_read_are_dead_in_the_end,
    cases::args_that_one_build_cannot_read_are_run_by_another,
    payloads::args_that_no_worker_can_read_are_refused_where_they_are_added,
    payloads::a_result_that_nobody_can_read_is_not_kept_as_another,
    payloads::what_cannot_be_decoded_is_told_without_its_value,
    cases::a_cancel_reaches_the_handler,
    cases::a_run_longer_than_its_lease_runs_once,
    cases::a_handler_that_blocks_its_thread_keeps_its_lease,
    cases::a_name_nobody_knows_is_untouched,
    cases::one_chain_however_many_workers,
    cases::a_periodic_task_whose_key_is_taken_is_an_alarm_that_names_both,
    cases::a_deploy_changes_a_periodic_task_and_a_rollback_changes_it_back,
    cases::three_failures_in_a_row_of_a_periodic_task_are_an_alarm,
    cases::a_stop_leaves_no_lease_behind,
    cases::another_environment_is_refused,
    cases::until_finished_waits_for_retries_and_not_for_periodic_tasks,
    cases::a_handler_adds_further_tasks,
    cases::a_dropped_worker_leaves_its_leases_to_their_deadlines,
    blocking::code_that_blocks_keeps_its_slot_and_its_lease_after_the_timeout,
    blocking::a_cancelled_task_is_over_when_its_blocking_code_returns,
    blocking::code_that_blocks_for_too_long_is_given_up_with_an_alarm,
    blocking::a_stop_does_not_wait_for_code_that_blocks,
    ahead::short_tasks_start_in_the_order_in_which_they_were_added,
    ahead::a_stop_gives_back_what_was_leased_ahead,
    ahead::long_tasks_do_not_hold_up_what_was_leased_ahead,
    finished::until_finished_leaves_nothing_behind,
    finished::until_finished_waits_for_the_tasks_of_other_workers,
    results::what_cannot_be_kept_does_not_undo_the_work,
    results::what_is_no_json_does_not_undo_the_work,
    deaths::each_death_is_one_error_line_that_names_the_task,
    deaths::the_crash_limit_is_a_death_as_well,
    deaths::a_failure_that_is_not_the_last_is_a_warning,
    suspects::a_suspect_starts_when_the_one_before_has_ended,
);

fn memory_store() -> Arc<dyn Store> {
    Arc::new(docket_memory::MemoryBackend::new(DocketName::default()))
}

async fn redis_store(case: &str) -> Arc<dyn Store> {
    let (url, options) = (conformance_tests::servers::redis_url().await, docket_redis::Options::default());
    let backend = docket_redis::RedisBackend::connect(&url, docket(case), options).await;
    Arc::new(backend.expect("the test server answers"))
}

async fn postgres_store(case: &str) -> Arc<dyn Store> {
    let (url, options) = (conformance_tests::servers::postgres_url().await, docket_postgres::Options::default());
    let backend = docket_postgres::PostgresBackend::connect(&url, docket(case), options).await;
    Arc::new(backend.expect("the test server answers"))
}

async fn pgbouncer_store(case: &str) -> Arc<dyn Store> {
    let url = conformance_tests::servers::pgbouncer_url().await + "?pgbouncer=true";
    let options = docket_postgres::Options { poll: Duration::from_millis(100), ..docket_postgres::Options::default() };
    let backend = docket_postgres::PostgresBackend::connect(&url, docket(case), options).await;
    Arc::new(backend.expect("the test server answers"))
}

fn docket(case: &str) -> DocketName {
    let name = DocketName::new(format!("{}.{}", &case[..case.len().min(20)], uuid::Uuid::now_v7().simple()));
    name.expect("a case name and a number are a docket name")
}
