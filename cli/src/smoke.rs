//! Three tasks for smoke tests, known to every worker of the command.

use std::time::Duration;

use docket::{Backoff, Context, Failure, Policy, Registry, Task};
use serde::{Deserialize, Serialize};

/// Adds all three to `registry`.
pub(crate) fn register(registry: &mut Registry) -> docket::Result<()> {
    registry.register::<Trace>()?.register::<Fail>()?.register::<Sleep>()?;
    Ok(())
}

/// Logs a message and returns it.
#[derive(Serialize, Deserialize)]
struct Trace {
    #[serde(default)]
    message: String,
}

impl Task for Trace {
    const NAME: &'static str = "trace";
    type Output = String;

    async fn run(self, ctx: Context) -> Result<String, Failure> {
        tracing::info!(key = %ctx.key(), message = self.message, "trace");
        Ok(self.message)
    }
}

/// Fails with a message: three attempts within a few seconds, then it is dead.
#[derive(Serialize, Deserialize)]
struct Fail {
    #[serde(default)]
    message: String,
}

impl Task for Fail {
    const NAME: &'static str = "fail";
    type Output = ();

    fn policy() -> Policy {
        let backoff = Backoff { base: Duration::from_millis(500), max: Duration::from_secs(1) };
        Policy { max_attempts: 3, backoff, ..Policy::default() }
    }

    async fn run(self, _ctx: Context) -> Result<(), Failure> {
        Err(Failure::retry(self.message))
    }
}

/// Sleeps until the time is over or it is cancelled.
#[derive(Serialize, Deserialize)]
struct Sleep {
    seconds: f64,
}

impl Task for Sleep {
    const NAME: &'static str = "sleep";
    type Output = ();

    fn policy() -> Policy {
        Policy { timeout: Duration::from_hours(24), ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let length = Duration::try_from_secs_f64(self.seconds).map_err(Failure::fatal)?;
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(()),
            () = ctx.cancellation().cancelled() => Err(Failure::cancelled()),
        }
    }
}
