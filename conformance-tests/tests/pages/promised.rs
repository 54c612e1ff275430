//! The contract's documents name a case for each rule; each of those is there.

use std::collections::BTreeSet;

use docket_conformance::all;

/// Where rules are promised.
const DOCUMENTS: [(&str, &str); 6] = [
    ("backend.rs", include_str!("../../../core/src/contract/backend.rs")),
    ("control.rs", include_str!("../../../core/src/contract/control.rs")),
    ("inspect.rs", include_str!("../../../core/src/contract/inspect.rs")),
    ("relocate.rs", include_str!("../../../core/src/contract/relocate.rs")),
    ("testing.rs", include_str!("../../../core/src/contract/testing.rs")),
    ("write-a-backend.md", include_str!("../../../docs/write-a-backend.md")),
];

/// Code spans in the form of a case: `subject::rule`, in lower case.
fn named(document: &str) -> impl Iterator<Item = &str> {
    let small = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let quoted = document.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(move |text| text.split_once("::").is_some_and(|(subject, rule)| small(subject) && small(rule)))
}

#[test]
fn every_case_that_the_contract_names_exists() {
    let cases: BTreeSet<&str> = all().iter().map(|case| case.name).collect();
    for (document, text) in DOCUMENTS {
        assert!(named(text).next().is_some(), "{document} names no case: is it still read rightly?");
        let missing: Vec<&str> = named(text).filter(|name| !cases.contains(name)).collect();
        assert!(missing.is_empty(), "{document} names what is not there: {missing:?}");
    }
}

/// "Each is a module of the conformance suite": the invariants end in its name.
#[test]
fn every_invariant_is_a_subject() {
    let subjects: BTreeSet<&str> = all().iter().filter_map(|case| case.name.split("::").next()).collect();
    let (_, contract) = DOCUMENTS[0];
    let bullets: Vec<&str> = contract.split("* **I").skip(1).collect();
    assert_eq!(bullets.len(), 9);
    for bullet in bullets {
        // The last one runs on into the next section.
        let bullet = bullet.split("///\n").next().unwrap_or(bullet);
        let named = bullet.split('`').skip(1).step_by(2).any(|text| subjects.contains(text));
        let sentence = bullet.replace("\n///   ", " ");
        assert!(named || sentence.contains("checked after every case"), "no module is named by I{bullet}");
    }
}
