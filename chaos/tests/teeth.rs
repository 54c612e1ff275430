//! A check that cannot fail is none: each way of breaking a promise, in real processes, is seen by the rule it breaks.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

use std::process::Command;

/// Plays a run with a built-in mistake; returns its output.
fn sabotaged(sabotage: &str, store: &str, faults: &str, minutes: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_docket-chaos"))
        .args(["run", "--seed", "1", "--store", store, "--sabotage", sabotage, "--faults", faults])
        .args(["--minutes", minutes])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success(), "{sabotage} was not seen:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    for line in said.lines().filter_map(|line| line.strip_prefix("ledgers and logs: ")) {
        std::fs::remove_dir_all(line).unwrap();
    }
    said
}

#[test]
fn tasks_that_are_completed_before_they_run_are_lost_with_their_worker() {
    let said = sabotaged("ack-first", "memory", "kill", "0.15");
    assert!(said.contains("is completed, and no run of it was"), "{said}");
}

#[test]
fn adds_that_were_never_sent_are_lost() {
    let said = sabotaged("lose-adds", "memory", "kill", "0.1");
    assert!(said.contains("VIOLATION lost"), "{said}");
}

#[test]
fn tasks_that_start_twice_are_duplicates() {
    let said = sabotaged("twice", "memory", "kill", "0.1");
    assert!(said.contains("VIOLATION duplicate"), "{said}");
}

#[test]
fn runs_that_do_not_listen_overlap_with_those_that_take_over() {
    let said = sabotaged("deaf", "redis", "hang", "0.25");
    assert!(said.contains("VIOLATION overlap"), "{said}");
}
