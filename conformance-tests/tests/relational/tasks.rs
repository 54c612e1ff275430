//! Task types for the scenes, and the effects they leave behind.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use docket_core::{Context, Failure, Policy, Registry, Task};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// The runs and their times.
#[derive(Default, Debug)]
pub(crate) struct Log(Mutex<Vec<(String, Instant)>>);

impl Log {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn note(&self, ctx: &Context) {
        self.0.lock().unwrap().push((ctx.key().to_string(), Instant::now()));
    }

    /// How often each key ran.
    pub(crate) fn runs(&self) -> HashMap<String, usize> {
        let mut runs = HashMap::new();
        for (key, _) in &*self.0.lock().unwrap() {
            *runs.entry(key.clone()).or_default() += 1;
        }
        runs
    }

    /// The longest time in which nothing ran, between the first run and the last.
    pub(crate) fn longest_gap(&self) -> Duration {
        let mut times: Vec<Instant> = self.0.lock().unwrap().iter().map(|(_, at)| *at).collect();
        times.sort_unstable();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// Every task type of the scenes.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register::<Count>().unwrap().register::<Brief>().unwrap().register::<Hog>().unwrap();
    registry
}

/// Leaves its key behind.
#[derive(Serialize, Deserialize)]
pub(crate) struct Count {
    /// So that it needs room.
    #[serde(default)]
    pub(crate) ballast: String,
}

impl Count {
    pub(crate) fn light() -> Self {
        Self { ballast: String::new() }
    }
}

impl Task for Count {
    const NAME: &'static str = "count";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Log>()?.note(&ctx);
        Ok(())
    }
}

/// The same, and soon forgotten: trimmed records leave dead rows as well.
#[derive(Serialize, Deserialize)]
pub(crate) struct Brief {}

impl Task for Brief {
    const NAME: &'static str = "brief";
    type Output = ();

    fn policy() -> Policy {
        Policy { retention: Duration::from_secs(3), ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Log>()?.note(&ctx);
        Ok(())
    }
}

/// Holds a connection of the service's pool for a while; leaves its key behind.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hog {
    pub(crate) seconds: f64,
}

impl Task for Hog {
    const NAME: &'static str = "hog";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let mut connection = ctx.state::<PgPool>()?.acquire().await?;
        sqlx::query("SELECT pg_sleep($1)").bind(self.seconds).execute(&mut *connection).await?;
        ctx.state::<Log>()?.note(&ctx);
        Ok(())
    }
}
