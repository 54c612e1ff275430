//! Generated sequences: whatever callers, packets and time do, a store must answer as the model
//! does.
//!
//! A sequence is a list of calls by two workers and two producers on a handful of keys, with
//! replies lost, packets late, calls repeated and time moved past leases and retentions. It is
//! played on the model and on the store at once; the first answer that differs ends it, and at the
//! end records, counts, lists and workers are compared as well. A failing sequence is reduced to
//! the necessary steps, and its seed is kept in `proptest-regressions/`, to be played first from
//! then on.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use docket_core::DocketName;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use uuid::Uuid;

use crate::runner::Factory;

mod answer;
mod draw;
mod issue;
mod op;
mod play;

/// How many sequences, where they start, and where the seeds of failing ones are kept.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Sequences to play.
    pub cases: u32,
    /// Where the drawing starts: the same number, the same sequences.
    pub seed: u64,
    /// The file that keeps failing seeds.
    pub kept_in: Option<&'static str>,
}

impl Plan {
    /// `cases` sequences, or `DOCKET_MODEL_CASES` of them; from a random seed, or
    /// `DOCKET_MODEL_SEED`.
    ///
    /// # Panics
    ///
    /// When one of the two variables is not a number.
    pub fn from_env(cases: u32, kept_in: &'static str) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a whole number"));
        let cases = number("DOCKET_MODEL_CASES").map_or(cases, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
        Self { cases, seed: number("DOCKET_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..)), kept_in: Some(kept_in) }
    }
}

/// Plays generated sequences on stores of `factory`, each on a docket of its own.
///
/// # Errors
///
/// The shortest sequence found on which a store and the model differ, how they differ, and the seed.
pub fn agree(plan: Plan, factory: &dyn Factory) -> Result<(), String> {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = threads.map_err(|error| format!("no runtime: {error}"))?;
    let run = Uuid::now_v7().simple().to_string();
    let count = AtomicU64::new(0);
    let outcome = runner(plan).run(&draw::sequence(), |ops| {
        let docket = format!("model.{}.{}", &run[16..], count.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(one(&ops, &docket, factory)).map_err(TestCaseError::fail)
    });
    outcome.map_err(|error| report(error, plan.seed))
}

/// Plays one sequence on a docket of its own, and clears the docket even if it failed.
async fn one(ops: &[op::Op], docket: &str, factory: &dyn Factory) -> Result<(), String> {
    let docket = DocketName::new(docket).map_err(|error| error.to_string())?;
    let store = factory.fresh(docket.clone()).await;
    let played = play::play(ops, store.as_ref()).await;
    store.clear().await.map_err(|error| format!("clear failed: {error:?}"))?;
    let left = factory.leftovers(&docket).await;
    played?;
    if left.is_empty() { Ok(()) } else { Err(format!("{docket} was cleared and still holds {left:#?}")) }
}

fn runner(plan: Plan) -> TestRunner {
    let config = Config {
        cases: plan.cases,
        failure_persistence: plan.kept_in.map(|file| Box::new(FileFailurePersistence::Direct(file)) as Box<_>),
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&plan.seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn report(error: TestError<Vec<op::Op>>, seed: u64) -> String {
    let mut text = format!("DOCKET_MODEL_SEED={seed}\n");
    match error {
        TestError::Abort(reason) => text.push_str(reason.message()),
        TestError::Fail(reason, ops) => {
            for op in ops {
                let _ = writeln!(text, "  {op:?}");
            }
            text.push_str(reason.message());
        }
    }
    text
}
