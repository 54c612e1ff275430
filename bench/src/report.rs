//! The results: figures by row, both sides of each, and the tasks that were lost or ran twice.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::servers::Kind;

/// Which side of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Side {
    Docket,
    Floor,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Docket, Self::Floor];
}

/// One number, of one run of one side.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
}

/// The result of one run of one side.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) figures: Vec<Figure>,
    pub(crate) faults: Faults,
}

impl Measured {
    pub(crate) fn figure(&mut self, name: impl Into<String>, unit: &'static str, value: f64) -> &mut Self {
        self.figures.push(Figure { name: name.into(), unit, value });
        self
    }
}

/// Tasks that did not run, and runs too many. Anything but 0 and 0 fails the whole measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicates += other.duplicates;
    }

    /// The faults of a count that should have been `expected`.
    pub(crate) fn of_count(expected: u64, found: u64) -> Self {
        Self { lost: expected.saturating_sub(found), duplicates: found.saturating_sub(expected) }
    }
}

/// One line of the table: the same figure of both sides, run by run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `w1` to `w10`.
    pub(crate) workload: String,
    pub(crate) store: Kind,
    pub(crate) figure: String,
    pub(crate) unit: String,
    pub(crate) docket: Vec<f64>,
    pub(crate) floor: Vec<f64>,
}

impl Row {
    /// Ours over the floor's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let floor = median(&self.floor)?;
        (floor > 0.0).then_some(median(&self.docket)? / floor)
    }
}

/// The tasks that all runs of a workload on one store lost or ran twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) workload: String,
    pub(crate) store: Kind,
    pub(crate) docket: Faults,
    pub(crate) floor: Faults,
}

/// A whole measurement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Machine, versions, persistence, settings: name and value.
    pub(crate) surroundings: Vec<(String, String)>,
    pub(crate) rows: Vec<Row>,
    pub(crate) tallies: Vec<Tally>,
}

impl Report {
    pub(crate) fn read(file: &Path) -> Outcome<Self> {
        let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Saves it to `file`, which keeps its other workloads and stores.
    pub(crate) fn save(&self, file: &Path) -> Outcome {
        let mut whole = if file.exists() { Self::read(file)? } else { Self::default() };
        let is_new = |workload: &str, store| self.tallies.iter().any(|t| t.workload == workload && t.store == store);
        whole.rows.retain(|row| !is_new(&row.workload, row.store));
        whole.tallies.retain(|tally| !is_new(&tally.workload, tally.store));
        whole.rows.extend(self.rows.iter().cloned());
        whole.tallies.extend(self.tallies.iter().cloned());
        whole.surroundings.clone_from(&self.surroundings);
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Ok(std::fs::write(file, serde_json::to_string_pretty(&whole)? + "\n")?)
    }

    pub(crate) fn take(&mut self, workload: &str, store: Kind, side: Side, measured: Measured) {
        for Figure { name, unit, value } in measured.figures {
            let row = self.row(workload, store, &name, unit);
            match side {
                Side::Docket => row.docket.push(value),
                Side::Floor => row.floor.push(value),
            }
        }
        let place = self.tallies.iter().position(|tally| tally.workload == workload && tally.store == store);
        let place = place.unwrap_or_else(|| {
            let tally =
                Tally { workload: workload.to_owned(), store, docket: Faults::default(), floor: Faults::default() };
            self.tallies.push(tally);
            self.tallies.len() - 1
        });
        match side {
            Side::Docket => self.tallies[place].docket.add(measured.faults),
            Side::Floor => self.tallies[place].floor.add(measured.faults),
        }
    }

    fn row(&mut self, workload: &str, store: Kind, figure: &str, unit: &str) -> &mut Row {
        let is_it = |row: &Row| row.workload == workload && row.store == store && row.figure == figure;
        let place = self.rows.iter().position(is_it).unwrap_or_else(|| {
            self.rows.push(Row {
                workload: workload.to_owned(),
                store,
                figure: figure.to_owned(),
                unit: unit.to_owned(),
                docket: Vec::new(),
                floor: Vec::new(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }

    pub(crate) fn find(&self, workload: &str, store: Kind, figure: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload && row.store == store && row.figure == figure)
    }

    /// An error unless every task of every run was settled once.
    pub(crate) fn verdict(&self) -> Outcome {
        let mut all = Faults::default();
        for tally in &self.tallies {
            all.add(tally.docket);
            all.add(tally.floor);
        }
        if all == Faults::default() {
            return Ok(());
        }
        Err(format!("{} tasks were lost and {} ran twice: the figures are worth nothing", all.lost, all.duplicates)
            .into())
    }
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50)
}

/// The value that `percent` of 100 values do not exceed.
pub(crate) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 50), Some(100.0));
        assert_eq!(percentile(&values, 99), Some(198.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn one_lost_task_fails_the_measurement() {
        let mut report = Report::default();
        report.take("w2", Kind::Memory, Side::Floor, Measured::default());
        assert!(report.verdict().is_ok());
        report.take(
            "w2",
            Kind::Memory,
            Side::Docket,
            Measured { faults: Faults::of_count(10, 9), ..Measured::default() },
        );
        assert!(report.verdict().unwrap_err().to_string().starts_with("1 tasks were lost and 0 ran twice"));
    }
}
