//! The table of tasks in the crate's documentation and in the README, held against the code.

use std::collections::BTreeMap;
use std::sync::Arc;

use docket_core::{Add, Client, DocketName, Policy, Registry, Task as _, TaskName, Timestamp, display_duration};
use docket_tasks::{
    MoveTrackAudio, NotifyFlag, PdsComment, PdsLike, ProcessExport, ReapExports, ScanCopyright, ScrobbleToTeal,
    SyncAlbumList, SyncAtproto, SyncCopyrightResolutions,
};

const CRATE: &str = include_str!("../src/lib.rs");
const README: &str = include_str!("../../README.md");

/// The cells of the row of each task.
fn rows() -> BTreeMap<&'static str, Vec<&'static str>> {
    let rows = CRATE.lines().filter_map(|line| line.strip_prefix("//! | [`")?.strip_suffix(" |"));
    let cells = |row: &'static str| row.split(" | ").map(|cell| cell.trim_matches('`')).collect();
    rows.map(|row| (row.split('`').next().unwrap_or_default(), cells(row))).collect()
}

#[test]
fn every_task_is_in_the_table_with_its_policy() {
    let (mut registry, rows) = (Registry::new(), rows());
    docket_tasks::register(&mut registry).unwrap();
    docket_tasks::register_pds(&mut registry).unwrap();
    let mut names: Vec<&str> = registry.names().map(TaskName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, rows.keys().copied().collect::<Vec<_>>());
    for (name, row) in rows {
        let policy = registry.policy(&TaskName::new(name).unwrap()).unwrap();
        assert_eq!(row[3..], columns(policy), "{name}");
    }
}

fn columns(policy: &Policy) -> [String; 4] {
    let backoff = match policy.every {
        Some(every) => format!("every {}", display_duration(every)),
        None => format!("{}–{}", display_duration(policy.backoff.base), display_duration(policy.backoff.max)),
    };
    [policy.max_attempts.to_string(), backoff, display_duration(policy.timeout), policy.queue.to_string()]
}

#[test]
fn every_task_is_added_under_the_key_of_the_table() {
    let client = Client::new(Arc::new(docket_memory::MemoryBackend::new(DocketName::default())));
    let key = |add: Add| add.into_task().unwrap().1.key.to_string();
    let at = Timestamp::from_micros(5);
    let mut keys = BTreeMap::from([
        (ScanCopyright::NAME, key(ScanCopyright::add(&client, 42, "9f3c"))),
        (NotifyFlag::NAME, key(NotifyFlag::add(&client, 42, "9f3c"))),
        (ProcessExport::NAME, key(ProcessExport::add(&client, "e1", "did:plc:ada"))),
        (SyncAtproto::NAME, key(SyncAtproto::add(&client, "did:plc:ada"))),
        (ScrobbleToTeal::NAME, key(ScrobbleToTeal::add(&client, "did:plc:ada", 42, at))),
        (SyncAlbumList::NAME, key(SyncAlbumList::add(&client, "tones"))),
        (PdsLike::NAME, key(PdsLike::add(&client, "did:plc:ada", 42))),
        (PdsComment::NAME, key(PdsComment::add(&client, 7))),
        (docket_tasks::ClassifyGenres::NAME, key(docket_tasks::genre_classification(&client, 42, "9f3c"))),
        (MoveTrackAudio::NAME, key(docket_tasks::track_audio_move(&client, 42))),
    ]);
    // Workers begin a periodic task under its name.
    keys.extend([SyncCopyrightResolutions::NAME, ReapExports::NAME].map(|name| (name, name.to_owned())));
    let told = rows().into_iter().map(|(name, row)| (name, filled(row[2])));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), keys);
}

/// A key of the table, for the values above.
fn filled(key: &str) -> String {
    let values = [
        ("{track}", "42"),
        ("{file_id}", "9f3c"),
        ("{export_id}", "e1"),
        ("{did}", "did:plc:ada"),
        ("{played_at}", "5"),
        ("{album}", "tones"),
        ("{id}", "7"),
    ];
    values.into_iter().fold(key.to_owned(), |key, (name, value)| key.replace(name, value))
}

#[test]
fn the_readme_says_the_same() {
    let rows: Vec<&str> = README.lines().skip_while(|line| !line.starts_with("| task |")).skip(2).collect();
    let rows = rows.into_iter().map_while(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let cells = |row: &'static str| row.split(" | ").map(|cell| cell.trim_matches('`')).collect::<Vec<_>>();
    let told: BTreeMap<&str, Vec<&str>> = rows.map(cells).map(|cells| (cells[0], cells[1..].to_vec())).collect();
    assert_eq!(told, self::rows().into_iter().map(|(name, cells)| (name, cells[1..].to_vec())).collect());
}
