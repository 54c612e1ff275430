//! The bars: limits for the figures.

use std::path::Path;

use crate::Outcome;
use crate::peers::{OURS, Standing, drain};
use crate::report::{Report, median};
use crate::servers::Kind;
use crate::table::short;
use crate::workload::{TRIMMED, growth_name};

/// One thing that has to hold.
pub(crate) struct Bar {
    pub(crate) store: Kind,
    workload: &'static str,
    figure: String,
    of: Of,
    limit: Limit,
}

/// The part of a figure that is compared with the limit.
enum Of {
    /// Our median.
    Ours,
    /// The worst of our runs.
    Worst,
    /// Our median over the floor's.
    Ratio,
    /// Our median over our median of another figure of the same workload.
    Against(String),
    /// Our median divided by a peer's, in the measurement of the peers.
    Peer(&'static str),
}

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// A bar, and its figure.
pub(crate) struct Judged {
    pub(crate) what: String,
    pub(crate) limit: String,
    /// None: it was not measured.
    pub(crate) found: Option<f64>,
    pub(crate) is_met: bool,
}

fn bar(store: Kind, workload: &'static str, figure: impl Into<String>, of: Of, limit: Limit) -> Bar {
    Bar { store, workload, figure: figure.into(), of, limit }
}

/// All of them.
pub(crate) fn all() -> Vec<Bar> {
    use Kind::{Memory, Postgres, Redis};
    use Limit::{AtLeast, AtMost};
    let start = |percent| format!("add to start, p{percent}");
    let mut bars = vec![
        bar(Redis, "w2", drain(100), Of::Ratio, AtLeast(0.6)),
        bar(Redis, "peers", drain(100), Of::Peer("bullmq"), AtLeast(6.0)),
        bar(Redis, "peers", drain(10), Of::Peer("bullmq"), AtLeast(3.0)),
        bar(Redis, "w1", "bulk add", Of::Ratio, AtLeast(0.6)),
        bar(Redis, "w1", "add one by one", Of::Ratio, AtLeast(0.9)),
        bar(Redis, "w6", TRIMMED, Of::Ours, AtMost(20.0)),
        bar(Redis, "w6", "stored, pending", Of::Ours, AtMost(350.0)),
        bar(Postgres, "w2", drain(100), Of::Ratio, AtLeast(0.6)),
        bar(Postgres, "peers", drain(100), Of::Peer("graphile-worker (fast)"), AtLeast(1.5)),
        bar(Postgres, "w1", "bulk add", Of::Ratio, AtLeast(0.6)),
        bar(Postgres, "w6", "log of a life", Of::Ours, AtMost(900.0)),
        bar(Memory, "w2", "lives on one core, bulk", Of::Ours, AtLeast(1_000_000.0)),
        bar(Memory, "w2", drain(100), Of::Ours, AtLeast(300_000.0)),
        bar(Redis, "w3", start(50), Of::Ours, AtMost(0.6)),
        bar(Redis, "w3", start(99), Of::Ours, AtMost(3.0)),
        bar(Postgres, "w3", start(99), Of::Ours, AtMost(10.0)),
        bar(Memory, "w3", start(99), Of::Ours, AtMost(0.2)),
    ];
    for store in Kind::ALL {
        for interval in ["15s", "250ms"] {
            let figure = format!("lateness, check interval {interval}, p99");
            bars.push(bar(store, "w4", figure, Of::Ours, AtMost(5.0)));
        }
        bars.push(bar(store, "w5", "worker CPU", Of::Ours, AtMost(0.05)));
        bars.push(bar(store, "w5", "worker memory", Of::Ours, AtMost(15.0)));
    }
    bars.push(bar(Redis, "w5", "commands sent", Of::Ours, AtMost(0.2)));
    bars.push(bar(Postgres, "w5", "statements sent", Of::Ours, AtMost(0.2)));
    for store in [Redis, Postgres] {
        for (interval, seconds) in [("2s", 12.0), ("500ms", 3.0)] {
            let figure = format!("kill -9, heartbeat_interval={interval}, all restarted");
            bars.push(bar(store, "w7", figure, Of::Worst, AtMost(seconds)));
        }
    }
    for store in Kind::ALL {
        bars.push(bar(store, "w8", growth_name(1_000_000), Of::Against(growth_name(1_000)), AtMost(1.5)));
    }
    let workers = |count| format!("drain, {count} workers of concurrency 10");
    for store in Kind::ALL {
        bars.push(bar(store, "w9", workers(8), Of::Against(workers(1)), AtLeast(1.0)));
    }
    for store in [Redis, Postgres] {
        let figure = "workers that look when one task arrives, of 8";
        bars.push(bar(store, "w9", figure, Of::Ours, AtMost(2.0)));
    }
    bars
}

impl Bar {
    /// Compares the figures with it.
    pub(crate) fn judge(&self, report: &Report, standing: Option<&Standing>) -> Judged {
        let found = self.found(report, standing);
        let (sign, limit, is_met) = match self.limit {
            Limit::AtLeast(limit) => ("≥", limit, found.is_some_and(|found| found >= limit)),
            Limit::AtMost(limit) => ("≤", limit, found.is_some_and(|found| found <= limit)),
        };
        let beside = match &self.of {
            Of::Ours => String::new(),
            Of::Worst => ", the worst".to_owned(),
            Of::Ratio => ", of its floor".to_owned(),
            Of::Against(other) => format!(", of {other}"),
            Of::Peer(peer) => format!(", times {peer}"),
        };
        let what = format!("{} {}: {}{beside}", self.store, self.workload, self.figure);
        Judged { what, limit: format!("{sign} {}", short(limit)), found, is_met }
    }

    fn found(&self, report: &Report, standing: Option<&Standing>) -> Option<f64> {
        if let Of::Peer(peer) = self.of {
            let standing = standing?;
            let ours = standing.find(self.store, OURS, &self.figure)?;
            return Some(ours / standing.find(self.store, peer, &self.figure)?);
        }
        let row = report.find(self.workload, self.store, &self.figure)?;
        match &self.of {
            Of::Ratio => row.ratio(),
            Of::Worst => row.docket.iter().copied().max_by(f64::total_cmp),
            Of::Against(other) => {
                Some(median(&row.docket)? / median(&report.find(self.workload, self.store, other)?.docket)?)
            }
            Of::Ours | Of::Peer(_) => median(&row.docket),
        }
    }
}

/// Prints each bar; fails when one is not met or was not measured.
pub(crate) fn check(figures: &Path, peers: &Path) -> Outcome {
    let report = Report::read(figures)?;
    let standing = if peers.exists() { Some(Standing::read(peers)?) } else { None };
    let judged: Vec<Judged> = all().iter().map(|bar| bar.judge(&report, standing.as_ref())).collect();
    for Judged { what, limit, found, is_met } in &judged {
        let verdict = match found {
            Some(_) if *is_met => "met",
            Some(_) => "NOT MET",
            None => "not measured",
        };
        println!("{verdict:12} {:>10} {limit:>12}  {what}", found.map_or_else(|| "–".to_owned(), short));
    }
    report.verdict()?;
    let met = judged.iter().filter(|bar| bar.is_met).count();
    println!("{met} of {} bars are met", judged.len());
    if met == judged.len() { Ok(()) } else { Err("not all bars are met".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Measured, Side};

    #[test]
    fn a_bar_is_met_only_by_what_was_measured() {
        let bars = all();
        let mut report = Report::default();
        assert!(bars.iter().all(|bar| !bar.judge(&report, None).is_met));
        let mut measured = Measured::default();
        measured.figure("bulk add", "tasks/s", 59.0);
        report.take("w1", Kind::Redis, Side::Docket, measured);
        let mut measured = Measured::default();
        measured.figure("bulk add", "tasks/s", 100.0);
        report.take("w1", Kind::Redis, Side::Floor, measured);
        let bar = bars.iter().find(|bar| bar.store == Kind::Redis && bar.figure == "bulk add").unwrap();
        assert_eq!(bar.judge(&report, None).found, Some(0.59));
        assert!(!bar.judge(&report, None).is_met);
    }
}
