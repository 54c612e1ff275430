//! W1 to W10, one file each: measurements, on both sides.

mod w01_add;
mod w02_drain;
mod w03_wake;
mod w04_late;
mod w05_idle;
mod w06_cost;
mod w07_recovery;
mod w08_growth;
mod w09_workers;
mod w10_payload;

pub(crate) mod process;

pub(crate) use w06_cost::TRIMMED;
pub(crate) use w08_growth::name as growth_name;

use std::path::Path;

use crate::bench::{Bench, Scale};
use crate::report::Report;
use crate::servers::{Kind, Servers};
use crate::{Outcome, surroundings, table};

/// Their names, as in `--only` and in the figures, and the subject of each.
pub(crate) const ALL: [(&str, &str); 10] = [
    ("w1", "adding: one by one, ten at once, in bulk"),
    ("w2", "draining at concurrency 10 and 100, acks durable"),
    ("w3", "from add to start on an idle worker"),
    ("w4", "lateness of scheduled tasks"),
    ("w5", "an idle worker with ten task types"),
    ("w6", "what a task costs the store, in batches of 100"),
    ("w7", "recovery after kill -9"),
    ("w8", "a lease as the docket grows"),
    ("w9", "several workers on one docket"),
    ("w10", "payloads from 100 B to 1 MiB"),
];

/// Measures, prints, keeps; fails when anything was lost or ran twice.
pub(crate) async fn run(only: &[String], stores: &[Kind], scale: Scale, save: Option<&Path>) -> Outcome {
    if let Some(unknown) = only.iter().find(|name| ALL.iter().all(|(known, _)| known != name)) {
        return Err(format!("unknown workload {unknown}: expected w1 to w10").into());
    }
    let kinds = if stores.is_empty() { Kind::ALL.to_vec() } else { stores.to_vec() };
    let report = Report { surroundings: surroundings::look(scale).await?, ..Report::default() };
    let mut bench = Bench { scale, servers: Servers::default(), report, kinds };
    table::surroundings(&bench.report);
    for (name, what) in ALL {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        println!("\n{name}: {what}");
        match name {
            "w1" => w01_add::measure(&mut bench).await,
            "w2" => w02_drain::measure(&mut bench).await,
            "w3" => w03_wake::measure(&mut bench).await,
            "w4" => w04_late::measure(&mut bench).await,
            "w5" => w05_idle::measure(&mut bench).await,
            "w6" => w06_cost::measure(&mut bench).await,
            "w7" => w07_recovery::measure(&mut bench).await,
            "w8" => w08_growth::measure(&mut bench).await,
            "w9" => w09_workers::measure(&mut bench).await,
            _ => w10_payload::measure(&mut bench).await,
        }?;
        table::rows(&bench.report, name);
        if let Some(file) = save.filter(|_| !scale.quick) {
            bench.report.save(file)?;
        }
    }
    bench.report.verdict()
}
