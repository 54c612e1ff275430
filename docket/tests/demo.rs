//! `docket demo`, as a newcomer runs it.

use std::process::Command;

#[test]
fn the_demo_completes_everything_shows_a_retry_and_leaves_the_archive() {
    let folder = tempfile::tempdir().expect("a test can have a folder");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_docket"));
    // A store that is not there: the demo needs none.
    demo.arg("demo").env("TMPDIR", folder.path()).env("DOCKET_URL", "redis://127.0.0.1:9");
    let output = demo.output().expect("the command starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let archive =
        text.lines().find_map(|line| line.strip_prefix("the archive is ")).expect("it says where the archive is");
    let archive = archive.split(" (").next().unwrap_or_default();
    assert!(
        archive.starts_with(&*folder.path().to_string_lossy()) && std::fs::exists(archive).unwrap_or_default(),
        "{text}"
    );

    let tasks: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("TASK"))
        .skip(1)
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert!(tasks.len() == 7 && tasks.iter().all(|task| task[1] == "completed"), "{text}");
    let runs: Vec<&str> = tasks.iter().map(|task| task[2]).filter(|runs| *runs != "1").collect();
    assert_eq!(runs, ["2"], "one scan met the overload: {text}");
    assert!(text.contains("will be tried again") && text.contains("flagged, matches: 1"), "{text}");
}
