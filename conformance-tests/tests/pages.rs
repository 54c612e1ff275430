//! A page that says what a test shows must name a test that there is.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/choose-a-backend.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where the tests are that a word of the page stands for.
fn folder(target: &str) -> Option<&'static str> {
    Some(match target {
        "incident" => "conformance-tests/tests/incident",
        "relational" => "conformance-tests/tests/relational",
        "memory" => "backend-memory/src",
        "redis" => "backend-redis/tests",
        "postgres" => "backend-postgres/tests",
        "docket" => "docket/tests",
        _ => return None,
    })
}

/// What the code spans of a text name, as (target, test).
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let spans = text.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(' '));
    // `docket doctor` is a command.
    spans.filter(|(target, test)| test.contains('_') && (*target == "suite" || folder(target).is_some()))
}

fn is_there(target: &str, test: &str) -> bool {
    let Some(folder) = folder(target) else {
        return conformance_tests::all().iter().any(|case| case.name == test);
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

#[test]
fn every_test_that_the_page_names_is_there() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let missing: Vec<_> = named(&page).filter(|(target, test)| !is_there(target, test)).collect();
    assert!(missing.is_empty(), "{PAGE} names tests that are not there: {missing:#?}");
    assert!(named(&page).count() > 40, "looked in the wrong place");
}

#[test]
fn every_line_of_its_tables_names_a_test() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let mut is_promise = false;
    for line in page.lines() {
        is_promise = line.starts_with('|') && (is_promise || line.ends_with("| shown by |"));
        let is_frame = line.ends_with("| shown by |") || line.starts_with("|---");
        assert!(!is_promise || is_frame || named(line).count() > 0, "this line names no test: {line}");
    }
}
