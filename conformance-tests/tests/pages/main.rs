//! A page that names a test must name an existing one.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod promised;

use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 2] = ["docs/guarantees.md", "docs/choose-a-backend.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folder of tests that a word of the page stands for.
fn folder(target: &str) -> Option<&'static str> {
    Some(match target {
        "incident" => "conformance-tests/tests/incident",
        "relational" => "conformance-tests/tests/relational",
        "memory" => "backend-memory/src",
        "redis" => "backend-redis/tests",
        "postgres" => "backend-postgres/tests",
        "docket" => "docket/tests",
        "cli" => "cli/tests",
        "chaos" => "chaos/src",
        "teeth" => "chaos/tests",
        _ => return None,
    })
}

/// The tests that the code spans of a text name, as (target, test).
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let spans = text.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(' '));
    // `docket doctor` is a command.
    spans.filter(|(target, test)| test.contains('_') && (*target == "suite" || folder(target).is_some()))
}

fn is_there(target: &str, test: &str) -> bool {
    let Some(folder) = folder(target) else {
        return docket_conformance::all().iter().any(|case| case.name == test);
    };
    sources(&root().join(folder)).iter().any(|file| {
        let source = fs::read_to_string(file).unwrap();
        // A test is run by its attribute, not by its name.
        source.split(&format!("fn {test}(")).next().is_some_and(|before| {
            before.len() < source.len()
                && before
                    .rsplit("\n\n")
                    .next()
                    .is_some_and(|above| above.contains("#[tokio::test") || above.contains("#[test]"))
        })
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

fn pages() -> impl Iterator<Item = (&'static str, String)> {
    PAGES.into_iter().map(|page| (page, fs::read_to_string(root().join(page)).unwrap()))
}

#[test]
fn every_test_that_the_pages_name_is_there() {
    let mut count = 0;
    for (name, page) in pages() {
        let missing: Vec<_> = named(&page).filter(|(target, test)| !is_there(target, test)).collect();
        assert!(missing.is_empty(), "{name} names tests that are not there: {missing:#?}");
        count += named(&page).count();
    }
    assert!(count > 50, "looked in the wrong place");
}

#[test]
fn every_line_of_their_tables_names_a_test() {
    for (_, page) in pages() {
        let mut is_promise = false;
        for line in page.lines() {
            is_promise = line.starts_with('|') && (is_promise || line.ends_with("| shown by |"));
            let is_frame = line.ends_with("| shown by |") || line.starts_with("|---");
            assert!(!is_promise || is_frame || named(line).count() > 0, "this line names no test: {line}");
        }
    }
}

/// The figures of the page are those that a run printed, kept beside it.
#[test]
fn every_run_that_the_page_shows_is_kept_as_it_was_printed() {
    let page = fs::read_to_string(root().join(PAGES[0])).unwrap();
    let shown: Vec<&str> = page.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown.len(), 3, "a run of each store");
    let kept = fs::read_dir(root().join("docs/guarantees")).unwrap();
    let kept: Vec<String> = kept.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    for run in shown {
        assert!(kept.iter().any(|file| file.contains(run)), "no kept output has this run:\n{run}");
    }
}
