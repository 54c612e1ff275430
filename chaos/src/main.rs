//! `docket-chaos`: faults drawn from a seed, and a ledger as evidence.
#![expect(clippy::print_stdout, reason = "a verdict is what this program is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use docket_chaos::conductor::{Asked, run};
use docket_chaos::plan::Kind;
use docket_chaos::report::{command, keep, kept, report};
use docket_chaos::roles::{Adder, Sabotage, Worker, end_with_input};
use docket_chaos::store::Kind as StoreKind;
use docket_chaos::{Outcome, plan};

/// Where seeds that failed are kept.
const SEEDS: &str = "chaos/seeds.txt";

#[derive(Parser)]
#[command(name = "docket-chaos", about = "Faults drawn from a seed, and a ledger that shows what held")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays faults and checks the rules. Without a seed, it plays the seeds that failed before
    /// first.
    Run(Run),
    /// Prints the schedule of a seed.
    Plan(Run),
    /// An adder's process.
    #[command(hide = true)]
    Adder(Adder),
    /// A worker's process.
    #[command(hide = true)]
    Worker(Worker),
}

#[derive(clap::Args, Clone)]
struct Run {
    /// The seed of the faults; default random
    #[arg(long)]
    seed: Option<u64>,
    /// For how long faults come.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The store.
    #[arg(long, default_value = "redis")]
    store: StoreKind,
    /// The faults; default all of the store
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Kind>,
    /// The file of seeds that failed.
    #[arg(long, default_value = SEEDS)]
    seeds: PathBuf,
    /// Breaks a promise on purpose, to show that it is seen.
    #[arg(long, default_value = "nothing")]
    sabotage: Sabotage,
}

impl Run {
    fn asked(&self) -> Asked {
        Asked {
            store: self.store,
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..)),
            lasts: Duration::from_secs_f64(self.minutes * 60.0),
            kinds: self.faults.clone(),
            sabotage: self.sabotage,
        }
    }
}

#[tokio::main]
async fn main() -> Outcome<ExitCode> {
    let arguments = Arguments::parse();
    // A process of its own has a file for its log; on memory, runs that fail on purpose would fill
    // the terminal.
    let level = if matches!(arguments.command, Command::Run(_)) { "off" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    match arguments.command {
        Command::Run(asked) => play_all(&asked).await,
        Command::Plan(asked) => {
            print_plan(&asked.asked());
            Ok(ExitCode::SUCCESS)
        }
        Command::Adder(adder) => {
            end_with_input();
            adder.run().await.map(|()| ExitCode::SUCCESS)
        }
        Command::Worker(worker) => {
            end_with_input();
            worker.run().await.map(|()| ExitCode::SUCCESS)
        }
    }
}

fn print_plan(asked: &Asked) {
    let kinds = if asked.kinds.is_empty() { Kind::of(asked.store) } else { asked.kinds.clone() };
    let mut at = Duration::ZERO;
    for plan::Planned { quiet, kind, lasts, target } in plan::Plan::new(asked.seed, kinds, docket_chaos::roles::LEASE) {
        at += quiet;
        if at >= asked.lasts {
            break;
        }
        println!("{:>7} ms: {} for {} ms, target {target}", at.as_millis(), kind.name(), lasts.as_millis());
        at += lasts;
    }
}

/// The seeds that failed before, and then the requested one.
async fn play_all(wanted: &Run) -> Outcome<ExitCode> {
    if wanted.seed.is_none() && wanted.sabotage == Sabotage::Nothing {
        for line in kept(&wanted.seeds) {
            let words = line.split_whitespace().skip(2);
            let again = Arguments::try_parse_from(["docket-chaos", "run"].into_iter().chain(words))?;
            if let Command::Run(again) = again.command
                && again.store == wanted.store
                && !play(&again.asked(), &wanted.seeds).await?
            {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    let held = play(&wanted.asked(), &wanted.seeds).await?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether everything held.
async fn play(asked: &Asked, seeds: &Path) -> Outcome<bool> {
    println!("{}", command(asked));
    let ledgers = tempfile::Builder::new().prefix("docket-chaos-").tempdir()?;
    let (verdict, ends) = run(asked, ledgers.path()).await?;
    print!("{}", report(asked, &verdict, &ends));
    let held = verdict.violations.is_empty();
    if !held {
        println!("ledgers and logs: {}", ledgers.keep().display());
        println!("again: {}", command(asked));
        if asked.sabotage == Sabotage::Nothing {
            keep(seeds, &command(asked))?;
        }
    }
    Ok(held)
}
