//! What is done to tasks: add, show, ls, stats, cancel.

use crate::common::Redis;
use crate::shell::Shell;

#[test]
fn add_prints_the_key_alone_and_show_has_every_field() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let added = shell.ok(&["add", "trace", r#"{"message":"hi"}"#, "--key", "a b", "--queue", "slow"]);
    assert_eq!(added.stdout, "a b\n");
    let task = shell.show("a b");
    for (field, value) in [("key", "a b"), ("name", "trace"), ("queue", "slow"), ("state", "ready")] {
        assert_eq!(task[field], value, "{field}");
    }
    assert_eq!(task["args"]["message"], "hi");
    assert_eq!((&task["attempt"], &task["crashes"]), (&0.into(), &0.into()));
    for field in ["worker", "error", "result", "fence", "every", "successor"] {
        assert!(task.as_object().unwrap().contains_key(field) && task[field].is_null(), "{field}");
    }
    let visible_at: jiff::Timestamp = task["visible_at"].as_str().unwrap().parse().unwrap();
    let age = jiff::Timestamp::now().duration_since(visible_at);
    assert!(age.as_secs() < 60, "{visible_at}");
    assert!(shell.ok(&["show", "a b"]).stdout.contains("visible_at"));
}

#[test]
fn adding_a_key_again_prints_it_and_says_so() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let first = shell.ok(&["add", "trace", "{}"]);
    let key = first.stdout.trim();
    assert_eq!(key.len(), 36, "a UUID: {key}");
    let again = shell.ok(&["add", "trace", "{}", "--key", key]);
    assert_eq!(again.stdout, first.stdout);
    assert!(again.stderr.contains("exists already and is ready"), "{again:?}");
    assert!(!first.stderr.contains("exists already"), "{first:?}");
}

#[tokio::test]
async fn the_same_command_works_on_postgres() {
    let shell = Shell::at(conformance_tests::servers::postgres_url().await);
    let docket = format!("command-{}", std::process::id());
    let on = |arguments: &[&'static str]| [arguments, &["--docket", docket.as_str()]].concat();
    assert_eq!(shell.ok(&on(&["add", "trace", r#"{"message":"hi"}"#, "--key", "t"])).stdout, "t\n");
    shell.ok(&on(&["add", "fail", "{}", "--key", "f"]));
    shell.ok(&on(&["worker", "--until-finished"]));
    let (traced, failed) = (shell.json(&on(&["show", "t"])), shell.json(&on(&["show", "f"])));
    assert_eq!((&traced["state"], &traced["result"]), (&"completed".into(), &"hi".into()));
    assert_eq!((&failed["state"], &failed["attempt"]), (&"dead".into(), &3.into()));
    assert_eq!(shell.ok(&on(&["requeue", "f"])).stdout, "f\n");
    assert_eq!(shell.ok(&on(&["cancel", "f"])).stdout, "cancelled\n");
    assert_eq!(shell.ok(&on(&["clear", "--yes"])).stdout, "2\n");
}

#[test]
fn tasks_can_be_put_off_and_listed_and_counted() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", "{}", "--key", "later", "--in", "1h"]);
    shell.ok(&["add", "sleep", "{}", "--key", "at", "--at", "2033-01-31T13:00:00+01:00"]);
    shell.ok(&["add", "trace", "{}", "--key", "now"]);
    assert_eq!(shell.show("at")["visible_at"], "2033-01-31T12:00:00Z");
    let keys = |arguments: &[&str]| -> Vec<String> {
        let list = shell.json(&[&["ls"], arguments].concat());
        let mut keys: Vec<_> = list.as_array().unwrap().iter().map(|t| t["key"].as_str().unwrap().to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&[]), ["at", "later", "now"]);
    assert_eq!(keys(&["--state", "scheduled"]), ["at", "later"]);
    assert_eq!(keys(&["--name", "trace", "--state", "scheduled"]), ["later"]);
    assert_eq!(keys(&["--limit", "2"]).len(), 2);
    assert!(shell.ok(&["ls", "--limit", "2"]).stderr.contains("raise --limit"));
    let stats = shell.json(&["stats"]);
    assert_eq!(stats["docket"], "default");
    assert_eq!((&stats["totals"]["scheduled"], &stats["totals"]["ready"]), (&2.into(), &1.into()));
    let trace = stats["lanes"].as_array().unwrap().iter().find(|lane| lane["name"] == "trace").unwrap();
    assert_eq!((&trace["queue"], &trace["scheduled"], &trace["ready"]), (&"default".into(), &1.into(), &1.into()));
    assert!(shell.ok(&["stats"]).stdout.contains("oldest_ready"));
}

#[test]
fn cancel_ends_a_task_and_says_what_cannot_be_cancelled() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", r#"{"message":"x"}"#, "--key", "done"]);
    shell.ok(&["worker", "--until-finished"]);
    shell.ok(&["add", "trace", "{}", "--key", "queued"]);
    assert_eq!(shell.ok(&["cancel", "queued"]).stdout, "cancelled\n");
    assert_eq!(shell.show("queued")["state"], "cancelled");
    assert_eq!(shell.ok(&["cancel", "queued"]).stdout, "cancelled\n", "cancelling twice is harmless");
    let finished = shell.run(&["cancel", "done"]);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("already completed"), "{finished:?}");
}

#[test]
fn a_running_task_is_told_and_becomes_cancelled() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let _worker = shell.worker(&[]);
    shell.ok(&["add", "sleep", r#"{"seconds":60}"#, "--key", "long"]);
    shell.wait_for("long", "running");
    assert_eq!(shell.ok(&["cancel", "long"]).stdout, "cancelling\n");
    shell.wait_for("long", "cancelled");
}

#[test]
fn what_is_not_there_is_exit_code_4() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    for arguments in [["show", "nobody"], ["cancel", "nobody"], ["requeue", "nobody"]] {
        let said = shell.run(&arguments);
        assert_eq!(said.code, 4, "{arguments:?}: {said:?}");
        assert!(said.stderr.contains("there is no task nobody") && said.stdout.is_empty(), "{said:?}");
    }
}
