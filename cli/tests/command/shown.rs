//! What the command prints of what others wrote, and what it never prints.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

use std::time::Duration;

use docket::{Docket, NewTask, Payload, TaskKey, TaskName};
use serde_json::Value;

use crate::common::Redis;
use crate::said::Said;
use crate::shell::Shell;

/// A text that clears the screen, writes a line that looks like ours, and turns the direction around.
const HOSTILE: &str = "x\u{1b}[2J\r\nstate       completed\u{9b}0m \u{202e}gpj.exe\u{2066}";
/// A number that no float holds.
const WIDE: &str = "340282366920938463463374607431768211455";

/// Whether a terminal would obey any of it.
fn acts(text: &str) -> bool {
    text.chars().any(|c| c != '\n' && c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

async fn hostile(url: &str, docket: &str) -> NewTask {
    let args = serde_json::json!({ "message": HOSTILE, "n": 0 }).to_string();
    // JSON as somebody else may write it: over several lines, with the marks as they are.
    let args = args.replace("\"n\":0", &format!("\n  \"n\": {WIDE}")).replace("\\u{202e}", "\u{202e}");
    let key = TaskKey::new("k\u{202e}ey\u{2028}two").unwrap();
    let task = NewTask::keyed(key, TaskName::new("fail").unwrap(), Payload::new(args));
    let text = NewTask::keyed(
        TaskKey::new("text").unwrap(),
        TaskName::new("trace").unwrap(),
        Payload::new(format!("\u{1b}[2J\n{HOSTILE}")),
    );
    let docket = Docket::connect(url).name(docket).await.unwrap();
    for answer in docket.client().add_all(&[task.clone(), text]).await.unwrap() {
        answer.unwrap();
    }
    task
}

async fn nothing_acts(url: &str, docket: &str) {
    let shell = Shell::at(url);
    let task = hostile(url, docket).await;
    let on = |arguments: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--docket", docket]).collect();
        let said = shell.run(&arguments);
        assert!(!acts(&said.stdout) && !acts(&said.stderr), "{arguments:?}: {said:?}");
        said
    };
    let key = task.key.as_str();
    on(&["cancel", "text"]);
    on(&["worker", "--until-finished"]);
    let shown = on(&["show", key]).stdout;
    let fields: Vec<&str> = shown.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let mut once = fields.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), fields.len(), "one line per field: {shown}");
    assert!(shown.contains("state       dead\n") && shown.contains("\\u{1b}[2J\\r\\nstate  "), "{shown}");
    assert!(shown.contains(&format!("\"n\":{WIDE}")), "{shown}");
    let json = on(&["show", key, "--json"]).stdout;
    assert!(json.contains(&format!("\"n\":{WIDE}")), "{json}");
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&read["key"], &read["args"]["message"]), (&Value::from(key), &Value::from(HOSTILE)));
    assert_eq!(read["error"], HOSTILE);
    assert!(on(&["ls", "--json"]).stdout.contains(WIDE));
    let dead = on(&["ls", "--state", "dead"]).stdout;
    assert_eq!(dead.lines().count(), 2, "a heading and a task: {dead}");
    assert!(dead.lines().next().unwrap().ends_with("error") && dead.contains("x\\u{1b}[2J"), "{dead}");
    let text = on(&["show", "text"]).stdout;
    assert!(text.contains("args        \\u{1b}[2J\\nx"), "{text}");
    assert_eq!(on(&["requeue", key]).stdout.lines().count(), 1);
    on(&["cancel", key]);
    assert_eq!(on(&["add", "trace", "{}", "--key", key]).code, 0);
    on(&["show", "\u{202e}nobody"]);
    assert_eq!(on(&["clear", "--yes"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_redis_acts_on_a_terminal_or_forges_a_line() {
    let redis = Redis::start(&[]);
    nothing_acts(&redis.url(), "shown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_postgres_acts_on_a_terminal_or_forges_a_line() {
    let docket = format!("shown-{}", std::process::id());
    nothing_acts(&conformance_tests::servers::postgres_url().await, &docket).await;
}

#[test]
fn a_mistaken_url_is_refused_without_its_login() {
    for (url, why) in [
        ("redis://joe:7secret@host:port/0", "redis://***@host:port/0: invalid port"),
        ("redis://joe:7secret@host/zero", "invalid database number"),
        ("redis://joe:7/secret@host", "redis://***@host: it has an @ after the host"),
        ("redis://joe:7#secret@host", "an @ after the host"),
        ("redis://joe:7?secret@host", "an @ after the host"),
        ("redis://joe:7secret%40host", "invalid port"),
        ("redis:joe:7secret@host", "***@host: it has no scheme"),
        ("joe:7secret@host:6379", "***@host:6379: it has no scheme"),
        ("localhost:6379", "the store URL: it has no scheme"),
        ("postgres://joe:7secret@host:5432,other/app", "invalid port"),
        ("postgres://joe:7secret@host/app?sslmode=secret", "invalid sslmode: expected"),
        ("postgres://joe:7secret@host/app?sslpassword=secret", "an unknown parameter \"sslpassword\""),
        ("mysql://joe:7secret@host/app", "mysql://***@host/app: no backend has this scheme"),
        ("memory://joe:7secret@host", "takes no host"),
        ("redis://host?db=3", "an unknown parameter \"db\"; known are protocol"),
        ("memory://?db=3", "it takes no parameters"),
    ] {
        let from_environment = Shell::at(url).run(&["stats"]);
        let from_argument = Shell::at("redis://127.0.0.1:1").run(&["stats", "--url", url]);
        let moved = Shell::at("redis://127.0.0.1:1").run(&["move", "--from", url, "--to", "redis://127.0.0.1:1"]);
        let outbox = Shell::at("redis://127.0.0.1:1")
            .command(&["stats"])
            .envs([("DOCKET_OUTBOX_URL", url), ("DOCKET_PATIENCE", "100ms")])
            .output()
            .unwrap();
        for said in [&from_environment, &from_argument, &moved, &Said::from(outbox)] {
            assert_eq!(said.code, 2, "{url}: {said:?}");
            assert!(!said.stderr.contains("secret") && !said.stderr.contains("joe"), "{url}: {said:?}");
        }
        assert!(from_argument.stderr.contains(why), "{url}: {from_argument:?}");
    }
}

#[test]
fn no_argument_and_no_setting_is_repeated_with_its_login() {
    let url = "redis://joe:7secret@host";
    for arguments in [
        &["stats", url][..],
        &[url],
        &["add", url],
        &["add", "trace", "{\"token\":\"7secret\""],
        &["ls", "--state", url],
    ] {
        let said = Shell::at("redis://127.0.0.1:1").run(arguments);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(!said.stderr.contains("secret") && !said.stderr.contains("joe"), "{arguments:?}: {said:?}");
    }
    for variable in [
        "DOCKET_NAME",
        "DOCKET_MIGRATE",
        "DOCKET_ACCEPT_EVICTION",
        "DOCKET_WORKER_CONCURRENCY",
        "DOCKET_WORKER_SHUTDOWN_GRACE",
    ] {
        let said =
            Said::from(Shell::at("redis://127.0.0.1:1").command(&["worker"]).env(variable, url).output().unwrap());
        assert_eq!(said.code, 2, "{variable}: {said:?}");
        assert!(!said.stderr.contains("secret") && !said.stderr.contains("joe"), "{variable}: {said:?}");
    }
}

#[test]
fn the_command_reads_the_environment_as_a_service_does() {
    for variable in ["DOCKET_ACCEPT_EVICTION", "DOCKET_MIGRATE"] {
        for arguments in [
            &["stats"][..],
            &["add", "trace"],
            &["worker"],
            &["doctor"],
            &["move", "--from", "redis://a", "--to", "redis://b"],
        ] {
            let said = Shell::at("redis://127.0.0.1:1").command(arguments).env(variable, "yes").output().unwrap();
            let said = Said::from(said);
            assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
            assert!(said.stderr.contains(variable) && said.stderr.contains("invalid value \"yes\""), "{said:?}");
        }
    }
}

#[test]
fn durations_in_the_log_are_whole_milliseconds() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "fail", "{}"]);
    let log = shell.ok(&["worker", "--until-finished"]).stderr;
    let after = log.lines().filter_map(|line| line.split("after=").nth(1)).collect::<Vec<_>>();
    assert!(!after.is_empty(), "{log}");
    for text in after {
        let text = text.split_whitespace().next().unwrap();
        assert!(
            docket::parse_duration(text).is_ok_and(|d| d < Duration::from_mins(1)) && !text.contains('.'),
            "{text}"
        );
    }
    assert!(log.contains("lease=10s"), "{log}");
}
