//! The page `docs/performance.md`: the parts between its marks are written from the kept figures;
//! people write the rest.
//!
//! A mark is `<!-- bench: NAME -->` … `<!-- /bench -->`, where NAME is `surroundings`, `bars`,
//! `peers` or a workload.

mod picture;
mod svg;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::peers::Standing;
use crate::report::{Report, Tally};
use crate::table::{short, spread};
use crate::workload::ALL;
use crate::{Outcome, bars};

const CLOSE: &str = "<!-- /bench -->";

/// Writes the page's marked parts, and its pictures into the directory of its name.
pub(crate) fn write(figures: &Path, peers: &Path, page: &Path) -> Outcome {
    let report = Report::read(figures)?;
    let standing = if peers.exists() { Standing::read(peers)? } else { Standing::default() };
    let directory = page.with_extension("");
    fs::create_dir_all(&directory)?;
    for (name, picture) in picture::all(&report, &standing) {
        fs::write(directory.join(name), picture)?;
    }
    let text = fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    fs::write(page, fill(&text, |name| part(name, &report, &standing))?)?;
    println!("{} and the pictures in {} are up to date", page.display(), directory.display());
    Ok(())
}

/// `text` with every marked part made anew.
fn fill(text: &str, part: impl Fn(&str) -> Outcome<String>) -> Outcome<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<!-- bench: ") {
        let (before, marked) = rest.split_at(at);
        let (open, inside) = marked.split_once(" -->").ok_or("a mark is not closed")?;
        let name = open.trim_start_matches("<!-- bench: ");
        let (_, after) = inside.split_once(CLOSE).ok_or_else(|| format!("the mark {name} has no {CLOSE}"))?;
        write!(filled, "{before}{open} -->\n{}{CLOSE}", part(name)?)?;
        rest = after;
    }
    Ok(filled + rest)
}

fn part(name: &str, report: &Report, standing: &Standing) -> Outcome<String> {
    match name {
        "surroundings" => surroundings(report),
        "bars" => judged(report, standing),
        "peers" => peers(standing),
        _ if ALL.iter().any(|(workload, _)| *workload == name) => workload(name, report),
        _ => Err(format!("the page has a mark {name}, which nothing is written for").into()),
    }
}

fn surroundings(report: &Report) -> Outcome<String> {
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, value) in &report.surroundings {
        writeln!(text, "| {name} | {value} |")?;
    }
    Ok(text)
}

fn judged(report: &Report, standing: &Standing) -> Outcome<String> {
    let mut text = String::from("| bar | limit | found | |\n|---|---|---|---|\n");
    for bar in bars::all() {
        let judged = bar.judge(report, Some(standing));
        let (found, verdict) = match judged.found {
            Some(found) => (short(found), if judged.is_met { "met" } else { "**not met**" }),
            None => ("–".to_owned(), "not measured"),
        };
        writeln!(text, "| {} | {} | {found} | {verdict} |", judged.what, judged.limit)?;
    }
    Ok(text)
}

fn workload(name: &str, report: &Report) -> Outcome<String> {
    let mut text = String::from("| store | figure | docket | raw floor | ratio | unit |\n|---|---|---|---|---|---|\n");
    for row in report.rows.iter().filter(|row| row.workload == name) {
        let ratio = row.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let (docket, floor) = (spread(&row.docket), spread(&row.floor));
        writeln!(text, "| {} | {} | {docket} | {floor} | {ratio} | {} |", row.store, row.figure, row.unit)?;
    }
    let faults = report
        .tallies
        .iter()
        .filter(|tally| tally.workload == name)
        .map(|Tally { docket, floor, .. }| (docket.lost + floor.lost, docket.duplicates + floor.duplicates));
    let (lost, duplicates) = faults.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    writeln!(text, "\nLost: {lost}. Duplicates: {duplicates}.")?;
    Ok(text)
}

fn peers(standing: &Standing) -> Outcome<String> {
    let mut text =
        String::from("| store | figure | who | tasks/s | docket is | lost, duplicates |\n|---|---|---|---|---|---|\n");
    let mut rows: Vec<_> = standing.rows.iter().collect();
    rows.sort_by_key(|row| (row.store as u8, row.figure.as_str()));
    for row in rows {
        let times = standing.times(row).map_or_else(|| "–".to_owned(), |times| format!("{times:.2} ×"));
        let (values, faults) = (spread(&row.values), row.faults);
        writeln!(
            text,
            "| {} | {} | {} | {values} | {times} | {}, {} |",
            row.store, row.figure, row.who, faults.lost, faults.duplicates
        )?;
    }
    for who in &standing.absent {
        writeln!(text, "\nDid not run: {who}")?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_marks_is_written() {
        let page = "mine\n<!-- bench: w1 -->\nold\n<!-- /bench -->\nmine too";
        let filled = fill(page, |name| Ok(format!("new {name}\n"))).unwrap();
        assert_eq!(filled, "mine\n<!-- bench: w1 -->\nnew w1\n<!-- /bench -->\nmine too");
        assert!(fill("<!-- bench: w1 --> and no end", |_| Ok(String::new())).is_err());
    }
}
