//! The comparison with the peers: on stdout and as JSON.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Told;
use crate::Outcome;
use crate::report::{Faults, median};
use crate::servers::Kind;
use crate::table::spread;

/// Our name in the table.
pub(crate) const OURS: &str = "docket";
pub(crate) const BULK_ADD: &str = "bulk add";

/// The name of a drain's figure.
pub(crate) fn drain(concurrency: usize) -> String {
    format!("drain, concurrency {concurrency}")
}

/// One figure of one of us, run by run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) store: Kind,
    pub(crate) figure: String,
    pub(crate) who: String,
    /// Tasks a second.
    pub(crate) values: Vec<f64>,
    pub(crate) faults: Faults,
}

/// A whole measurement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) surroundings: Vec<(String, String)>,
    pub(crate) rows: Vec<Row>,
    /// The peers that did not run, and the reason.
    pub(crate) absent: Vec<String>,
}

impl Standing {
    pub(crate) fn read(file: &Path) -> Outcome<Self> {
        let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    pub(super) fn save(&self, file: &Path) -> Outcome {
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Ok(std::fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }

    pub(super) fn absent(&mut self, who: String) {
        self.absent.push(who);
    }

    pub(super) fn take(&mut self, store: Kind, who: &str, concurrency: usize, told: &Told) {
        let faults = Faults { lost: told.lost, duplicates: told.duplicates };
        self.add(store, who, &drain(concurrency), told.drain, faults);
        self.add(store, who, BULK_ADD, told.add, Faults::default());
    }

    fn add(&mut self, store: Kind, who: &str, figure: &str, value: f64, faults: Faults) {
        let is_it = |row: &&mut Row| row.store == store && row.who == who && row.figure == figure;
        if let Some(row) = self.rows.iter_mut().find(is_it) {
            row.values.push(value);
            row.faults.add(faults);
            return;
        }
        self.rows.push(Row { store, figure: figure.to_owned(), who: who.to_owned(), values: vec![value], faults });
    }

    /// Our lost tasks, and those that ran twice.
    pub(super) fn of_ours(&self) -> Faults {
        let mut all = Faults::default();
        for row in self.rows.iter().filter(|row| row.who == OURS) {
            all.add(row.faults);
        }
        all
    }

    pub(crate) fn find(&self, store: Kind, who: &str, figure: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.store == store && row.who == who && row.figure == figure)?;
        median(&row.values)
    }

    /// How many times a row's figure ours is.
    pub(crate) fn times(&self, row: &Row) -> Option<f64> {
        Some(self.find(row.store, OURS, &row.figure)? / median(&row.values)?)
    }

    pub(super) fn print(&self) {
        for (name, value) in &self.surroundings {
            println!("{name:>9}  {value}");
        }
        println!("\n{:9} {:24} {:26} {:>28} {:>11}  faults", "store", "figure", "who", "tasks/s", "docket is");
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| (row.store as u8, row.figure.as_str()));
        for row in rows {
            let times = self.times(row).map_or_else(String::new, |times| format!("{times:.2} ×"));
            let (store, values) = (row.store.to_string(), spread(&row.values));
            let Faults { lost, duplicates } = row.faults;
            println!(
                "{store:9} {:24} {:26} {values:>28} {times:>11}  lost {lost} duplicates {duplicates}",
                row.figure, row.who
            );
        }
        for who in &self.absent {
            println!("did not run: {who}");
        }
    }
}
