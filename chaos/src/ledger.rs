//! The ledger of every process, outside the store: one append-only file each, every line on the
//! disk before the process goes on.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::plan::Kind;
use crate::time::{Micros, now};

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Micros,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// An event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Event {
    /// An adder is about to send this task.
    Adding {
        /// Its key.
        key: String,
        /// The delay it asks for.
        delay: Micros,
    },
    /// The store has acknowledged it.
    Added {
        /// Its key.
        key: String,
    },
    /// The add failed; the task may be there or not.
    Refused {
        /// Its key.
        key: String,
        /// The queue's error.
        error: String,
    },
    /// A run has started.
    Started {
        /// Its number in its process.
        run: u64,
        /// The task's key.
        key: String,
        /// Its fence.
        fence: u64,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// A run was asked to stop.
    Told {
        /// Its number in its process.
        run: u64,
    },
    /// A run has ended.
    Ended {
        /// Its number in its process.
        run: u64,
        /// How.
        how: How,
    },
    /// The conductor: workers are there, and with them a periodic task.
    Begun {
        /// The longest of its intervals.
        every: Micros,
    },
    /// The conductor: a process was stopped.
    Paused {
        /// Its name.
        process: String,
    },
    /// The conductor: it goes on.
    Resumed {
        /// Its name.
        process: String,
    },
    /// The conductor: a process has ended.
    Gone {
        /// Its name.
        process: String,
    },
    /// The conductor: a fault is over.
    Fault(Strike),
    /// The conductor: all that was added has been worked off.
    Drained,
    /// The conductor: the store's report about a task at the end; none if it does not know the key.
    Found {
        /// The task's key.
        key: String,
        /// Its state.
        state: Option<String>,
    },
    /// The conductor: a line of the store's audit.
    Defect {
        /// The report.
        text: String,
    },
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its work is done.
    Done,
    /// It failed on purpose: an attempt.
    Failed,
    /// It stopped because it was asked to.
    Stopped,
    /// It was dropped.
    Dropped,
}

/// A fault, as it was.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Strike {
    /// The loop.
    pub kind: Kind,
    /// When it began.
    pub from: Micros,
    /// When it was over.
    pub until: Micros,
    /// The processes it could harm; none means all of them.
    pub processes: Option<Vec<String>>,
    /// Since when acknowledged writes may be lost, within the store's stated limits.
    pub lossy_since: Option<Micros>,
}

/// Writes one process's file.
#[derive(Debug)]
pub struct Ledger(Mutex<File>);

impl Ledger {
    /// Begins the file of a process.
    pub fn of(directory: &Path, process: &str) -> Outcome<Self> {
        let path = directory.join(format!("{process}.jsonl"));
        Ok(Self(Mutex::new(OpenOptions::new().append(true).create_new(true).open(path)?)))
    }

    /// Writes a line, and returns once it is on the disk.
    ///
    /// # Panics
    ///
    /// When it cannot: a run without a ledger shows nothing.
    pub fn write(&self, event: Event) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_vec(&Line { at: now(), event }).expect("a line is plain data");
        line.push(b'\n');
        // One write per line: a process that is killed leaves all of it or nothing.
        file.write_all(&line).and_then(|()| file.sync_data()).expect("the ledger can be written");
    }
}

/// All lines of all processes in a directory, by process.
pub fn read(directory: &Path) -> Outcome<Vec<(String, Vec<Line>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            let process = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push((process, parse(&fs::read_to_string(&path)?)?));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

/// A last line without its end was cut off with its process, and says nothing.
fn parse(text: &str) -> Outcome<Vec<Line>> {
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written_and_a_torn_one_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(directory.path(), "worker-0.1").unwrap();
        let event = Event::Started { run: 1, key: "k".into(), fence: u64::MAX, attempt: 1 };
        ledger.write(event.clone());
        ledger.write(Event::Drained);
        let path = directory.path().join("worker-0.1.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.trim_end()).unwrap();
        let files = read(directory.path()).unwrap();
        assert_eq!((files.len(), files[0].0.as_str(), files[0].1.len()), (1, "worker-0.1", 1));
        assert_eq!(files[0].1[0].event, event);
    }
}
