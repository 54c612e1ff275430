//! What every keeper of likes, comments and sessions must do, asked of each: the one in memory, and a real Postgres with
//! the tables of the service.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod database;
mod sessions;
mod social;

/// One test per keeper for each case.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::memory()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::postgres().await).await;
            })+
        }
    };
}
use on_both;
