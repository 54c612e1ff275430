//! The figures that Docket's documents name, each printed by a command here.
//!
//! Every run starts what it needs: a Redis of its own with its log on disk (`appendonly yes`,
//! `appendfsync everysec`), a Postgres of its own that syncs every commit, dockets of their own,
//! workers with default settings. Beside each figure stands that of a **raw baseline** ([`floor`]):
//! a minimal client doing the same store operations without Docket, in turns with ours. Only ratios
//! within one run are valid on another machine.
//!
//! * [`workload`]: W1 to W10, one file each. [`verbs`]: the operations of both sides.
//! * [`docket`], [`floor`]: the two sides. [`servers`], [`meter`]: their servers, and the servers'
//!   own counters.
//! * [`report`], [`table`], [`bars`], [`page`]: the results; on stdout, against the bars, in
//!   `docs/performance.md`.
//! * [`peers`]: other queues beside us.
#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

mod bars;
mod bench;
mod docket;
mod floor;
mod meter;
mod page;
mod peers;
mod report;
mod servers;
mod surroundings;
mod table;
mod tasks;
mod verbs;
mod workload;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use bench::Scale;

/// Any error here ends the run.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where figures are kept from one run to the next.
const FIGURES: &str = "docs/performance/figures.json";
/// Where the figures of the peers are kept.
const PEERS: &str = "docs/performance/peers.json";

#[derive(Parser)]
#[command(name = "docket-bench", about = "The figures that Docket's documents name")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, and prints one table; with --save, keeps it as JSON too.
    Run {
        /// Workloads: w1 to w10, comma-separated; default all
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Stores: memory, redis, postgres; default all
        #[arg(long, value_delimiter = ',')]
        stores: Vec<servers::Kind>,
        /// How often each side is measured, in turns.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// A tenth of the tasks: shows that everything works, not how fast. Nothing is kept.
        #[arg(long)]
        quick: bool,
        /// The file of the figures; the figures of workloads that are not measured now stay in it.
        #[arg(long)]
        save: Option<PathBuf>,
    },
    /// Measures others beside us, in turns; `bench/peers/install` must have run.
    Peers {
        /// Peers, by the names in the table; default all
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// How often each is measured, in turns.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// A tenth of the tasks. Nothing is kept.
        #[arg(long)]
        quick: bool,
        /// The file the figures are kept in.
        #[arg(long)]
        save: Option<PathBuf>,
    },
    /// Holds the kept figures against the bars; fails when one is not met.
    Check {
        /// The figures.
        #[arg(default_value = FIGURES)]
        figures: PathBuf,
        /// The figures of the peers.
        #[arg(default_value = PEERS)]
        peers: PathBuf,
    },
    /// Writes the kept figures into the page, between its marks, and draws its pictures.
    Page {
        /// The figures.
        #[arg(default_value = FIGURES)]
        figures: PathBuf,
        /// The figures of the peers.
        #[arg(default_value = PEERS)]
        peers: PathBuf,
        /// The page; pictures go into a directory of its name beside it.
        #[arg(default_value = "docs/performance.md")]
        page: PathBuf,
    },
    /// A process of its own, for a workload to watch or to kill.
    #[command(hide = true)]
    Process(workload::process::Arguments),
}

#[tokio::main]
async fn main() -> Outcome {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Arguments::parse().command {
        Command::Run { only, stores, rounds, quick, save } => {
            workload::run(&only, &stores, Scale { rounds, quick }, save.as_deref()).await
        }
        Command::Peers { only, rounds, quick, save } => {
            peers::run(&only, Scale { rounds, quick }, save.as_deref()).await
        }
        Command::Check { figures, peers } => bars::check(&figures, &peers),
        Command::Page { figures, peers, page } => page::write(&figures, &peers, &page),
        Command::Process(arguments) => workload::process::run(arguments).await,
    }
}
