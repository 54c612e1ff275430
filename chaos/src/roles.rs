//! What the processes of a run do.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use docket_core::DocketName;

use crate::Outcome;
use crate::ledger::Ledger;

mod adder;
mod tasks;
mod worker;

pub use adder::Adder;
pub use tasks::{Build, Desk};
pub use worker::Worker;

/// The lease of every worker here: the shortest there is.
pub const LEASE: Duration = docket_core::limits::LEASE_MIN;
/// The longest interval of the periodic task in any build.
pub const EVERY: Duration = Duration::from_secs(2);

/// The arguments of every role.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The store.
    #[arg(long)]
    pub url: String,
    /// The docket.
    #[arg(long)]
    pub docket: DocketName,
    /// The name of the process and of its ledger.
    #[arg(long)]
    pub name: String,
    /// Where ledgers are.
    #[arg(long)]
    pub ledgers: PathBuf,
    /// Which build it plays.
    #[arg(long, default_value = "old")]
    pub build: Build,
    /// The built-in mistake, which the checks must see.
    #[arg(long, default_value = "nothing")]
    pub sabotage: Sabotage,
}

impl Common {
    fn ledger(&self) -> Outcome<Ledger> {
        Ledger::of(&self.ledgers, &self.name)
    }
}

/// Ends this process when its input ends: its conductor is gone.
pub fn end_with_input() {
    std::thread::spawn(|| {
        // An input that cannot be read has ended.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

/// Ways of breaking a promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Sabotage {
    /// None.
    Nothing,
    /// A worker completes a task, and then begins it.
    AckFirst,
    /// A worker's runs ignore requests to stop.
    Deaf,
    /// A worker starts some tasks twice.
    Twice,
    /// An adder says of some tasks that they were acknowledged, and never sends them.
    LoseAdds,
}

impl Sabotage {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
