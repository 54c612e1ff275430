//! The worker, on every backend: real tasks, real time, real loops.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod cases;
mod jobs;

use std::sync::Arc;
use std::time::Duration;

use docket_core::{DocketName, Store};

/// One test per case and backend.
macro_rules! on_every_backend {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::cases::$case(super::memory_store()).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::cases::$case(super::redis_store(stringify!($case)).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::cases::$case(super::postgres_store(stringify!($case)).await).await;
            })*
        }
        mod pgbouncer {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::cases::$case(super::pgbouncer_store(stringify!($case)).await).await;
            })*
        }
    };
}

on_every_backend!(
    a_run_completes_and_its_result_is_kept,
    a_panic_is_a_failed_attempt,
    used_up_attempts_leave_a_dead_task_with_its_error,
    a_fatal_failure_is_dead_at_once,
    a_timeout_is_a_failed_attempt,
    a_snooze_is_no_attempt,
    args_that_do_not_decode_are_dead_with_the_reason,
    an_oversized_result_is_dead_with_the_reason,
    a_cancel_reaches_the_handler,
    a_run_longer_than_its_lease_runs_once,
    a_handler_that_blocks_its_thread_keeps_its_lease,
    a_name_nobody_knows_is_untouched,
    concurrency_is_never_exceeded,
    a_freed_slot_is_refilled_at_once,
    one_chain_however_many_workers,
    a_stop_waits_for_running_tasks,
    after_the_grace_tasks_are_given_back_uncounted,
    a_stop_leaves_no_lease_behind,
    another_environment_is_refused,
    until_finished_waits_for_retries_and_not_for_perpetuals,
    a_handler_adds_further_tasks,
    a_dropped_worker_leaves_its_leases_to_their_deadlines,
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
