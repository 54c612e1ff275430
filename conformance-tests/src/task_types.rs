//! Tests of task types: one per case and backend.

/// Declares one test per case on memory, Redis and Postgres, and `TASKS`, the names of the task
/// types they are about. A case is an async function in a module of the crate, and takes an
/// `Arc<dyn TestStore>` with a docket of its own. Call it at most once in a test target; its
/// package must have the three backends, `uuid` and `tokio`.
#[expect(clippy::crate_in_macro_def, reason = "the cases are the caller's")]
#[macro_export]
macro_rules! on_every_backend {
    ($($task:ident: $name:literal { $($case:ident),* $(,)? })*) => {
        mod memory {
            $(mod $task {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$task::$case(crate::memory_store()).await;
                })*
            })*
        }
        mod redis {
            $(mod $task {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$task::$case(crate::redis_store().await).await;
                })*
            })*
        }
        mod postgres {
            $(mod $task {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$task::$case(crate::postgres_store().await).await;
                })*
            })*
        }

        const TASKS: &[&str] = &[$($name),*];

        fn memory_store() -> std::sync::Arc<dyn docket_core::TestStore> {
            std::sync::Arc::new(docket_memory::MemoryBackend::new(docket_core::DocketName::default()))
        }

        async fn redis_store() -> std::sync::Arc<dyn docket_core::TestStore> {
            let (url, options) = ($crate::servers::redis_url().await, docket_redis::Options::default());
            let backend = docket_redis::RedisBackend::connect(&url, docket(), options).await;
            std::sync::Arc::new(backend.expect("the test server answers"))
        }

        async fn postgres_store() -> std::sync::Arc<dyn docket_core::TestStore> {
            let (url, options) = ($crate::servers::postgres_url().await, docket_postgres::Options::default());
            let backend = docket_postgres::PostgresBackend::connect(&url, docket(), options).await;
            std::sync::Arc::new(backend.expect("the test server answers"))
        }

        fn docket() -> docket_core::DocketName {
            let name = format!("tasks.{}", uuid::Uuid::now_v7().simple());
            docket_core::DocketName::new(name).expect("a number is part of a docket name")
        }
    };
}
