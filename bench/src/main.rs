//! The figures that Docket's documents name, each printed by a command here.
//!
//! Every run makes what it needs: a Redis of its own with its log on disk (`appendonly yes`, `appendfsync everysec`), a
//! Postgres of its own that syncs every commit, a docket of its own, workers with default settings. Only ratios within one run travel to another machine.
#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

mod drain;
mod idle;
mod jobs;
mod latency;
mod recovery;
mod stage;

use clap::{Parser, Subcommand};

/// What can go wrong here ends the run.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(name = "docket-bench", about = "The figures that Docket's documents name")]
struct Arguments {
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Subcommand)]
enum Figure {
    /// Tasks per second through one worker, on each store.
    Drain {
        /// How many tasks.
        #[arg(long, default_value_t = 10_000)]
        tasks: usize,
        /// How many at once.
        #[arg(long, default_value_t = 10)]
        concurrency: usize,
    },
    /// From `add` to the start of the run, on a worker that waits.
    Latency {
        /// How many adds.
        #[arg(long, default_value_t = 1_000)]
        adds: usize,
    },
    /// Commands per second that a worker with nothing to do sends to Redis.
    Idle {
        /// How long to look.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// From `kill -9` of a worker with ten running tasks until a second one has restarted them all.
    Recovery,
    /// A worker process for `recovery` to kill.
    #[command(hide = true)]
    Worker {
        /// The store.
        url: String,
        /// The docket.
        docket: String,
    },
}

#[tokio::main]
async fn main() -> Outcome {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Arguments::parse().figure {
        Figure::Drain { tasks, concurrency } => drain::figure(tasks, concurrency).await,
        Figure::Latency { adds } => latency::figure(adds).await,
        Figure::Idle { seconds } => idle::figure(seconds).await,
        Figure::Recovery => recovery::figure().await,
        Figure::Worker { url, docket } => recovery::worker(&url, &docket).await,
    }
}
