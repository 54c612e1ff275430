//! Others beside us: the same payload, the same server, in turns.
//!
//! Each peer is driven by a small program of ours under `bench/peers`, with the settings that its documentation recommends.
//! A peer's drain ends with its last run; ours ends with the answer to its last ack.

mod ours;
mod standing;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::bench::Scale;
use crate::report::Faults;
use crate::servers::{Kind, Server, Servers};
use crate::{Outcome, surroundings};

pub(crate) use standing::{OURS, Standing, drain};

/// A queue that is run beside us.
struct Peer {
    name: &'static str,
    kind: Kind,
    runtime: Runtime,
    mode: &'static str,
    /// How many tasks, by concurrency: enough for a second or two.
    runs: &'static [(usize, usize)],
}

/// The runtime of its driver.
#[derive(Clone, Copy)]
enum Runtime {
    Node,
    Python,
    Rust,
}

const PEERS: [Peer; 8] = [
    Peer::new("bullmq", Kind::Redis, Runtime::Node, "usual", &[(10, 20_000), (100, 20_000)]),
    Peer::new("oxanus", Kind::Redis, Runtime::Rust, "usual", &[(10, 5_000), (100, 5_000)]),
    // With more due tasks at once it stalls.
    Peer::new("apalis-redis", Kind::Redis, Runtime::Rust, "usual", &[(10, 5_000), (100, 5_000)]),
    Peer::new("pydocket", Kind::Redis, Runtime::Python, "usual", &[(10, 300), (100, 2_000)]),
    Peer::new("graphile-worker", Kind::Postgres, Runtime::Node, "usual", &[(10, 4_000), (100, 4_000)]),
    Peer::new("graphile-worker", Kind::Postgres, Runtime::Node, "fast", &[(100, 20_000)]),
    Peer::new("graphile_worker", Kind::Postgres, Runtime::Rust, "fast", &[(100, 20_000)]),
    Peer::new("apalis-postgres", Kind::Postgres, Runtime::Rust, "usual", &[(10, 3_000), (100, 3_000)]),
];

/// Longer than any driver takes that still gets anywhere.
const PATIENCE: Duration = Duration::from_secs(90);

/// The output of a driver, and of our own measurement.
#[derive(Deserialize)]
struct Told {
    add: f64,
    drain: f64,
    lost: u64,
    duplicates: u64,
}

impl Peer {
    const fn new(
        name: &'static str,
        kind: Kind,
        runtime: Runtime,
        mode: &'static str,
        runs: &'static [(usize, usize)],
    ) -> Self {
        Self { name, kind, runtime, mode, runs }
    }

    /// Its label in the table.
    fn label(&self) -> String {
        if self.mode == "usual" { self.name.to_owned() } else { format!("{} ({})", self.name, self.mode) }
    }

    fn command(&self) -> Outcome<Command> {
        let cache = cache()?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        Ok(match self.runtime {
            Runtime::Node => {
                let mut command = Command::new("node");
                command.arg(source.join("node").join(self.name).with_extension("cjs"));
                command.env("NODE_PATH", cache.join("node/node_modules")).env("NODE_ENV", "production");
                command
            }
            Runtime::Python => {
                let mut command = Command::new(cache.join("python/bin/python"));
                command.arg(source.join("python").join(self.name).with_extension("py"));
                command
            }
            Runtime::Rust => Command::new(cache.join("rust/release").join(self.name)),
        })
    }

    async fn drive(&self, server: &Server, concurrency: usize, tasks: usize) -> Outcome<Told> {
        let mut command = self.command()?;
        command.args([&server.url(), &tasks.to_string(), &concurrency.to_string(), self.mode]);
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output())
            .await
            .map_err(|_| format!("its driver was not done within {PATIENCE:?}"))??;
        if !output.status.success() {
            return Err(format!("its driver ended with {}; has bench/peers/install run?", output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let line = text.lines().rfind(|line| line.starts_with('{')).ok_or("its driver told nothing")?;
        Ok(serde_json::from_str(line)?)
    }
}

/// Where `bench/peers/install` puts them.
fn cache() -> Outcome<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("DOCKET_BENCH_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("docket-bench")))
        .or_else(|| Some(set("HOME")?.join(".cache/docket-bench")))
        .ok_or_else(|| "set DOCKET_BENCH_CACHE to where bench/peers/install has put the peers".into())
}

/// Measures ourselves and the peers in turns, prints, keeps.
pub(crate) async fn run(only: &[String], scale: Scale, save: Option<&Path>) -> Outcome {
    if let Some(unknown) = only.iter().find(|name| PEERS.iter().all(|peer| peer.name != name.as_str())) {
        return Err(format!("unknown peer {unknown}").into());
    }
    let peers: Vec<&Peer> =
        PEERS.iter().filter(|peer| only.is_empty() || only.iter().any(|name| name == peer.name)).collect();
    let mut standing = Standing { surroundings: surroundings::look(scale).await?, ..Standing::default() };
    let mut servers = Servers::default();
    for round in 1..=scale.rounds {
        for kind in [Kind::Redis, Kind::Postgres] {
            if peers.iter().all(|peer| peer.kind != kind) {
                continue;
            }
            for concurrency in [10, 100] {
                let server = servers.empty(kind).await?;
                let told = ours::drive(&server, concurrency, scale).await?;
                standing.take(kind, OURS, concurrency, &told);
            }
            for peer in peers.iter().filter(|peer| peer.kind == kind) {
                for (concurrency, tasks) in peer.runs {
                    let server = servers.empty(kind).await?;
                    match peer.drive(&server, *concurrency, scale.tasks(*tasks)).await {
                        Ok(told) => standing.take(kind, &peer.label(), *concurrency, &told),
                        // The other peers still count if one does not run.
                        Err(error) => standing.absent(format!("{}, round {round}: {error}", peer.label())),
                    }
                }
            }
        }
    }
    standing.print();
    if let Some(file) = save.filter(|_| !scale.quick) {
        standing.save(file)?;
    }
    match standing.of_ours() {
        Faults { lost: 0, duplicates: 0 } => Ok(()),
        faults => Err(format!("{} of our tasks were lost and {} ran twice", faults.lost, faults.duplicates).into()),
    }
}
