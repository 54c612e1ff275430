//! The rules for every catalogue: the one in memory and the one in a real Postgres.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod genres;
mod jobs;
mod lists;
mod notices;
mod place;
mod placements;
mod resolutions;
mod scans;
mod tracks;

/// One test per catalogue for each case.
macro_rules! on_every_catalogue {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::place::memory()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::place::postgres().await).await;
            })+
        }
    };
}
use on_every_catalogue;
