//! The list that names the cases, and the README, say what is there.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use docket_conformance::all;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The files below `folder`, each with the subject that its cases belong to: `wait/time.rs` is of `wait`.
fn files(folder: &Path, subject: Option<&str>) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: &Path| subject.unwrap_or(path.file_stem().unwrap().to_str().unwrap()).to_owned();
    entries
        .flat_map(|path| if path.is_dir() { files(&path, Some(&of(&path))) } else { vec![(of(&path), path)] })
        .collect()
}

/// A case that nobody runs protects no rule: each `pub(crate) async fn rule(stage: Stage)` is in the list.
#[test]
fn every_case_that_is_written_is_run() {
    let mut written = BTreeSet::new();
    for (subject, file) in files(&folder().join("src/cases"), None) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let function = line.strip_prefix("pub(crate) async fn ").and_then(|line| line.split_once('('));
            if let Some((rule, arguments)) = function
                && arguments.contains(": Stage)")
            {
                written.insert(format!("{subject}::{rule}"));
            }
        }
    }
    let run: BTreeSet<String> = all().into_iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(written, run);
}

/// What the README shows is what `tests/outside` runs.
#[test]
fn the_readme_shows_a_harness_that_is_run() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let harness = fs::read_to_string(folder().join("tests/outside/main.rs")).unwrap();
    let shown = readme.split("```rust,ignore\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(harness.ends_with(shown), "the README shows something else than tests/outside/main.rs:\n{shown}");
}
