//! What an operator does to a docket: requeue, clear, doctor, workers, long lists.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use docket::{Docket, NewTask, Payload, limits};
use serde_json::Value;

use crate::common::Redis;
use crate::said::Said;
use crate::shell::Shell;

/// The server's clock was a year ahead for one reading: here the docket is told so, and shows it.
#[tokio::test]
async fn a_clock_that_was_set_back_is_shown_and_settled() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    assert_eq!(shell.json(&["clock"])["offset_ms"], 0);
    let ahead = jiff::Timestamp::now().as_microsecond() + 365 * 24 * 3_600 * 1_000_000;
    let address = redis.url().trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(format!("HSET docket:{{default}}:meta seen {ahead}\r\n").as_bytes()).unwrap();
    assert!(connection.read(&mut [0; 16]).unwrap() > 0, "it is answered");
    assert_eq!(shell.ok(&["add", "trace", r#"{"message":"hi"}"#, "--key", "after"]).code, 0);
    let clock = shell.json(&["clock"]);
    assert!(clock["offset_ms"].as_u64().unwrap() > 364 * 24 * 3_600 * 1_000 && clock["steps"] == 1, "{clock}");
    let added_at: jiff::Timestamp = shell.show("after")["added_at"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(added_at).as_secs().abs() < 60, "{added_at}");
    let doctor = shell.run(&["doctor"]);
    assert!(doctor.code == 1 && doctor.stdout.contains("docket clock settle"), "{doctor:?}");
    shell.ok(&["worker", "--until-finished"]);
    assert_eq!(shell.show("after")["result"], "hi");
    assert!(shell.ok(&["clock", "settle"]).stdout.contains('h'));
    assert_eq!(shell.json(&["clock"])["offset_ms"], 0);
    assert_eq!(shell.ok(&["clock", "settle"]).stdout, "0s\n");
}

#[test]
fn requeue_gives_dead_tasks_another_life() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    for key in ["one", "two"] {
        shell.ok(&["add", "sleep", r#"{"seconds":-1}"#, "--key", key]);
    }
    shell.ok(&["worker", "--until-finished"]);
    assert_eq!(shell.ok(&["requeue", "one"]).stdout, "one\n");
    assert_eq!(shell.show("one")["state"], "ready");
    assert!(shell.show("one")["error"].is_string(), "the earlier error stays as history");
    let both = shell.run(&["requeue", "one", "two"]);
    assert_eq!(both.stdout, "two\n", "one bad key does not spoil the others");
    assert_eq!(both.code, 1, "{both:?}");
    assert!(both.stderr.contains("one is ready, not dead"), "{both:?}");
    for keys in [["one", "nobody"], ["nobody", "one"]] {
        let said = shell.run(&["requeue", keys[0], keys[1]]);
        assert_eq!(said.code, 1, "one that is not there is the lesser failure: {said:?}");
        assert!(said.stderr.contains("no task nobody") && said.stderr.contains("one is ready"), "{said:?}");
    }
}

#[test]
fn requeue_does_not_ask_a_store_that_is_away_once_per_key() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let shell = Shell::at(format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port()));
    let started = Instant::now();
    assert_eq!(shell.run(&[&["requeue"], &["k"; 20][..]].concat()).code, 3);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", "{}"]);
    for arguments in [&["ls"][..], &["ls", "--json"], &["stats"], &["doctor"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let running = shell.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let said = Said::from(running.wait_with_output().unwrap());
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_reads_page_after_page() {
    let redis = Redis::start(&[]);
    let docket = Docket::connect(redis.url()).await.unwrap();
    let name = docket::TaskName::new("trace").unwrap();
    let tasks: Vec<_> = (0..2_300).map(|_| NewTask::new(name.clone(), Payload::new(b"{}".to_vec()))).collect();
    for batch in tasks.chunks(limits::BATCH_ITEMS_MAX) {
        docket.client().add_all(batch).await.unwrap();
    }
    let shell = Shell::on(&redis);
    let keys = |limit| {
        let said = shell.ok(&["ls", "--json", "--limit", limit]);
        let tasks: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
        let keys: std::collections::HashSet<_> = tasks.iter().map(|task| task["key"].to_string()).collect();
        assert_eq!(keys.len(), tasks.len(), "none is listed twice");
        (keys.len(), said.stderr.contains("raise --limit"))
    };
    assert_eq!(keys("1500"), (1_500, true));
    assert_eq!(keys("5000"), (2_300, false));
}

#[test]
fn clear_asks_first_and_spares_other_dockets() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", "{}", "--key", "mine"]);
    shell.ok(&["add", "trace", "{}", "--key", "theirs", "--docket", "other"]);
    let refused = shell.run(&["clear"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(shell.show("mine")["state"], "ready");
    assert_eq!(shell.ok(&["clear", "--yes"]).stdout, "1\n");
    assert_eq!(shell.run(&["show", "mine"]).code, 4);
    assert_eq!(shell.json(&["show", "theirs", "--docket", "other"])["state"], "ready");
}

#[test]
fn workers_shows_who_is_alive() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    assert_eq!(shell.json(&["workers"]), Value::Array(Vec::new()));
    let _worker = shell.worker(&["--queues", "fast,slow", "--concurrency", "3"]);
    let started = Instant::now();
    let workers = loop {
        let workers = shell.json(&["workers"]);
        if !workers.as_array().unwrap().is_empty() {
            break workers;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "no worker is shown");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(workers[0]["queues"], serde_json::json!(["fast", "slow"]));
    assert_eq!(workers[0]["concurrency"], 3);
    let names: Vec<_> = workers[0]["names"].as_array().unwrap().iter().map(|name| name["name"].clone()).collect();
    for name in ["trace", "fail", "sleep"] {
        assert!(names.contains(&name.into()), "{names:?}");
    }
    assert!(shell.ok(&["workers"]).stdout.contains("fast,slow"));
}

#[test]
fn doctor_fails_on_a_store_that_can_lose_tasks() {
    let sound = Redis::start(&[]);
    let report = Shell::on(&sound).run(&["doctor", "--json"]);
    let json: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!((report.code, &json["ok"]), (0, &true.into()), "{report:?}");
    for (settings, subject) in [
        (["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"], "maxmemory-policy"),
        (["--appendonly", "no", "--save", ""], "persistence"),
    ] {
        let redis = Redis::start(&settings);
        let report = Shell::on(&redis).run(&["doctor", "--json"]);
        assert_eq!(report.code, 1, "{report:?}");
        let json: Value = serde_json::from_str(&report.stdout).unwrap();
        let findings = json["findings"].as_array().unwrap();
        let bad = findings.iter().find(|finding| finding["severity"] != "ok").unwrap();
        assert_eq!(bad["subject"], subject);
        assert!(bad["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{subject}: {bad}");
    }
}

/// A script can rely on the page, and on every field that it names.
#[test]
fn every_json_field_is_on_the_page() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", "{}", "--key", "k"]);
    let _worker = shell.worker(&[]);
    shell.wait_for("k", "completed");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command.md")).unwrap();
    let found = [
        shell.show("k"),
        shell.json(&["ls"]),
        shell.json(&["stats"]),
        shell.json(&["workers"]),
        shell.json(&["doctor"]),
    ];
    let mut fields = std::collections::BTreeSet::new();
    for value in &found {
        name_fields(value, &mut fields);
    }
    assert!(fields.len() > 30, "{fields:?}");
    for field in fields {
        assert!(page.contains(&format!("`{field}`")), "{field} is not on the page");
    }
}

fn name_fields(value: &Value, fields: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                fields.insert(name.clone());
                // What a task carries is its own.
                if !matches!(name.as_str(), "args" | "result") {
                    name_fields(value, fields);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| name_fields(value, fields)),
        _ => {}
    }
}
