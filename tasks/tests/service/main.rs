//! The example service, as processes: every route, what only owners may see, and its end in the middle of an export.
//!
//! A process here is this very test program, started again to be the service: the example's modules are part of it. The
//! systems outside are stand-ins on loopback; Postgres is a real one.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

#[path = "../../examples/service/mod.rs"]
mod service;

mod end;
mod outside;
mod process;
mod scene;
mod walk;

use std::process::ExitCode;

use scene::Scene;

/// The service itself, when a test starts this program again; otherwise nothing.
#[test]
fn as_a_process() -> ExitCode {
    let Ok(args) = std::env::var(process::ARGS) else { return ExitCode::SUCCESS };
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    tokio::runtime::Runtime::new().unwrap().block_on(service::main(args.into_iter()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_has_its_effect_on_memory() {
    walk::every_route_has_its_effect(Scene::on_memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_has_its_effect_on_postgres() {
    let scene = Scene::on_postgres().await;
    scene.flag_an_old_track().await;
    walk::every_route_has_its_effect(scene.clone()).await;
    scene.until_resolved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_has_its_effect_on_redis_with_an_outbox() {
    let scene = Scene::on_postgres().await.with_docket_on_redis().await;
    walk::every_route_has_its_effect(scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_task_cannot_be_added_is_not_written() {
    walk::a_row_and_its_task_are_one(&Scene::on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_in_the_middle_of_an_export_ends_the_process_and_its_streams_on_memory() {
    end::a_signal_ends_it(&Scene::on_memory().await.with_slow_audio()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_gives_the_export_back_and_a_worker_elsewhere_finishes_it() {
    end::another_process_finishes_it(&Scene::on_postgres().await.with_slow_audio()).await;
}

#[tokio::test]
async fn a_service_whose_tasks_nobody_could_run_does_not_start() {
    let scene = Scene::on_memory().await;
    for place in ["none", "only", "somewhere"] {
        let status = scene.spawn(place).ended().await;
        assert!(!status.success(), "--worker {place}");
    }
}
