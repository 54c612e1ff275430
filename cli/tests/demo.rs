//! `docket demo`, as a newcomer runs it.

use std::process::Command;

/// plyr.fm's ten, and the notice that a scan adds.
const TYPES: [&str; 11] = [
    "scan_copyright",
    "notify_flag",
    "process_export",
    "sync_atproto",
    "scrobble_to_teal",
    "sync_album_list",
    "pds_like",
    "pds_comment",
    "classify_genres",
    "move_track_audio",
    "sync_copyright_resolutions",
];

#[test]
fn the_demo_runs_every_type_shows_a_retry_and_every_effect_and_leaves_the_archive() {
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

    let tasks = table(&text, "TASK");
    let (periodic, once): (Vec<_>, Vec<_>) = tasks.iter().partition(|task| task[0] == TYPES[10]);
    assert!(once.len() == 16 && once.iter().all(|task| task[1] == "completed"), "{text}");
    assert!(periodic.len() == 1 && periodic[0][1] == "scheduled", "{text}");
    let runs: Vec<&str> = tasks.iter().map(|task| task[2]).filter(|runs| *runs != "1").collect();
    assert_eq!(runs, ["2"], "one scan met the overload: {text}");
    assert!(text.contains("will be tried again") && text.contains("flagged, matches: 1"), "{text}");

    let effects: Vec<&str> = table(&text, "TYPE").iter().map(|effect| effect[0]).collect();
    assert_eq!(effects, TYPES, "{text}");
    assert!(!text.contains("NOT SO"), "{text}");
}

/// The cells of a table, but for its heading, which begins with this.
fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(&format!("{heading}  "))).skip(1);
    rows.take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().collect()).collect()
}
