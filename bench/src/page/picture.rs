//! Which pictures the page has.

use super::svg::{Bar, Line, bars, lines};
use crate::peers::{OURS, Standing, drain};
use crate::report::{Report, Row, median};
use crate::servers::Kind;
use crate::workload::growth_name;

/// File name and picture.
pub(super) fn all(report: &Report, standing: &Standing) -> Vec<(String, String)> {
    let mut all = vec![("floor.svg".to_owned(), floor(report)), ("growth.svg".to_owned(), growth(report))];
    for kind in [Kind::Redis, Kind::Postgres] {
        all.push((format!("peers-{kind}.svg"), peers(standing, kind)));
        all.push((format!("workers-{kind}.svg"), workers(report, kind)));
    }
    all
}

/// Ours over the floor's, where more is better.
fn floor(report: &Report) -> String {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        for (workload, figure) in [
            ("w1", "add one by one".to_owned()),
            ("w1", "add, ten at once".to_owned()),
            ("w1", "bulk add".to_owned()),
            ("w2", drain(10)),
            ("w2", drain(100)),
        ] {
            if let Some(value) = report.find(workload, kind, &figure).and_then(Row::ratio) {
                found.push(Bar {
                    label: format!("{kind}: {figure}"),
                    value,
                    colour: kind as usize,
                    note: String::new(),
                });
            }
        }
    }
    bars("Tasks a second, as a share of the raw floor in the same run (dashed: the bar of 0.6)", &found, Some(0.6))
}

fn peers(standing: &Standing, kind: Kind) -> String {
    let mut found = Vec::new();
    for (n, figure) in [drain(10), drain(100)].into_iter().enumerate() {
        for row in standing.rows.iter().filter(|row| row.store == kind && row.figure == figure) {
            let Some(value) = median(&row.values) else { continue };
            let note = standing.times(row).filter(|_| row.who != OURS);
            let note = note.map_or_else(String::new, |times| format!("  (docket: {times:.1} ×)"));
            found.push(Bar { label: format!("{}, {figure}", row.who), value, colour: n, note });
        }
    }
    bars(&format!("{kind}: tasks drained a second, beside peers in the same run"), &found, None)
}

/// Against the smallest docket, so that stores of different pace share one picture.
fn growth(report: &Report) -> String {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let sizes = [1_000, 10_000, 100_000, 1_000_000];
        let rows: Vec<&Row> = sizes.iter().filter_map(|size| report.find("w8", kind, &growth_name(*size))).collect();
        for (who, side) in [("docket", (|row| &row.docket) as fn(&Row) -> &Vec<f64>), ("floor", |row| &row.floor)] {
            let values: Vec<f64> = rows.iter().filter_map(|row| median(side(row))).collect();
            let Some(first) = values.first().copied() else { continue };
            let values = values.iter().map(|value| value / first).collect();
            found.push(Line { label: format!("{kind}, {who}"), values });
        }
    }
    let title = "A lease of 10 by tasks pending (and as many scheduled), against the same at 10³";
    lines(title, "×", &["10³", "10⁴", "10⁵", "10⁶"], &found)
}

fn workers(report: &Report, kind: Kind) -> String {
    let mut found = Vec::new();
    for count in [1, 2, 4, 8] {
        let Some(row) = report.find("w9", kind, &format!("drain, {count} workers of concurrency 10")) else { continue };
        for (who, values, colour) in [("docket", &row.docket, 0), ("floor", &row.floor, 1)] {
            if let Some(value) = median(values) {
                found.push(Bar { label: format!("{count} workers, {who}"), value, colour, note: String::new() });
            }
        }
    }
    bars(&format!("{kind}: tasks a second by workers on one docket"), &found, None)
}
