//! How one case is run, and what is checked after it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{DocketName, TestStore};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::cases::{Case, all};
use crate::stage::Stage;

/// How long a case may take before it counts as hung. The longest takes a few seconds.
const CASE_MAX: Duration = Duration::from_secs(60);

/// Makes the stores that the suite is run on.
#[async_trait]
pub trait Factory: Send + Sync + 'static {
    /// A store on an empty docket of this name, its clock not yet set.
    async fn fresh(&self, docket: DocketName) -> Arc<dyn TestStore>;

    /// The keys or rows that are left in the store after a docket was cleared, beyond what it must
    /// remember (its counters). For a store that outlives its handles; a store that only `audit`
    /// can look into has nothing to add.
    async fn leftovers(&self, docket: &DocketName) -> Vec<String> {
        let _ = docket;
        Vec::new()
    }
}

/// Runs the case of this name on a runtime of its own. What [`crate::suite!`] expands to.
///
/// # Panics
///
/// When the backend breaks the rule, or the case does not exist.
pub fn run(name: &str, factory: impl Factory) {
    let case = all().into_iter().find(|case| case.name == name).expect("the suite names only its own cases");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a test can have two threads");
    runtime.block_on(run_case(&case, Arc::new(factory)));
    // A connection that is still closing must not hold up the next test.
    runtime.shutdown_timeout(Duration::from_millis(100));
}

/// Runs one case, then the checks that follow every case, then clears its dockets, also when it failed.
///
/// # Panics
///
/// When the backend breaks the rule, or hangs.
pub async fn run_case(case: &Case, factory: Arc<dyn Factory>) {
    let name = docket_name(case.name);
    let stage = Stage::open(Arc::clone(&factory), name).await;
    let whole = async {
        (case.run)(stage.clone()).await;
        for (docket, store) in stage.opened() {
            let defects = store.audit().await.expect("a docket can be audited");
            assert!(defects.is_empty(), "{docket} after {}: {defects:#?}", case.name);
        }
    };
    let ended = AssertUnwindSafe(tokio::time::timeout(CASE_MAX, whole)).catch_unwind().await;
    for (docket, store) in stage.opened() {
        let cleared = tokio::time::timeout(CASE_MAX, store.clear()).await;
        if let Ok(Ok(Ok(_))) = ended.as_ref().map(|_| cleared) {
            let left = factory.leftovers(&docket).await;
            assert!(left.is_empty(), "{docket} was cleared after {} and still holds {left:#?}", case.name);
        }
    }
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(_)) => panic!("{} did not end within {CASE_MAX:?}", case.name),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// A docket nobody else has, recognisable by its case.
fn docket_name(case: &str) -> DocketName {
    let case: String = case.replace("::", ".").chars().take(40).collect();
    let unique = &Uuid::now_v7().simple().to_string()[16..];
    DocketName::new(format!("case.{case}.{unique}")).expect("a case name is letters and _")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_and_a_docket_of_its_own() {
        let mut names: Vec<_> = all().iter().map(|case| case.name).collect();
        for name in &names {
            assert_ne!(docket_name(name), docket_name(name));
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(count > 100, "well over a hundred cases were promised: {count}");
    }

    #[test]
    #[should_panic(expected = "the suite names only its own cases")]
    fn a_case_nobody_wrote_is_not_passed() {
        struct Nothing;
        #[async_trait]
        impl Factory for Nothing {
            async fn fresh(&self, _: DocketName) -> Arc<dyn TestStore> {
                unreachable!("no case, no store")
            }
        }
        run("add::nothing", Nothing);
    }
}
