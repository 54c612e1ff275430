//! The built command against a real Redis: every verb, its exit codes and its JSON.

mod common;

use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::Redis;
use docket::{Context, Docket, Failure, NewTask, Payload, Policy, Queue, Registry, Task, limits};
use serde_json::Value;

/// The command on one store, as a shell would call it.
struct Shell {
    url: String,
}

impl Shell {
    fn on(redis: &Redis) -> Self {
        Self { url: redis.url() }
    }

    fn at(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docket"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOCKET_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command.args(arguments).env("DOCKET_URL", &self.url).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().expect("the command can be run"))
    }

    /// Runs it and expects it to end well.
    fn ok(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said.stdout).expect("stdout is JSON")
    }

    fn show(&self, key: &str) -> Value {
        self.json(&["show", key])
    }

    fn worker(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(&[&["worker"], arguments].concat());
        Running(command.stderr(Stdio::null()).spawn().expect("the command can be run"))
    }

    /// Waits until `key` is in `state`.
    fn wait_for(&self, key: &str, state: &str) {
        let started = Instant::now();
        while self.show(key)["state"] != state {
            assert!(started.elapsed() < Duration::from_secs(20), "{key} is not {state}: {}", self.show(key));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is text");
        let code = output.status.code().expect("it ended by itself");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A command at work; killed when dropped.
struct Running(Child);

impl Running {
    fn terminate(&self) {
        let kill = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(kill.expect("kill can be run").success());
    }

    fn end(&mut self) -> i32 {
        self.0.wait().expect("it can be waited for").code().expect("it ended by itself")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Safe to lose: it may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
    for field in ["worker", "error", "result", "fence", "every", "follower"] {
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

#[test]
fn a_worker_runs_the_smoke_tasks_and_ends_when_all_is_done() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", r#"{"message":"seen by the log"}"#, "--key", "t"]);
    shell.ok(&["add", "fail", r#"{"message":"no luck"}"#, "--key", "f"]);
    shell.ok(&["add", "sleep", r#"{"seconds":0.1}"#, "--key", "s"]);
    shell.ok(&["add", "sleep", r#"{"seconds":-1}"#, "--key", "never"]);
    let started = Instant::now();
    let worker = shell.ok(&["worker", "--until-finished", "--concurrency", "2"]);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(worker.stdout.is_empty() && worker.stderr.contains("seen by the log"), "{worker:?}");
    assert_eq!(worker.stderr.matches("no luck").count(), 3, "three attempts: {worker:?}");
    assert_eq!(shell.show("t")["result"], "seen by the log");
    assert_eq!(shell.show("s")["state"], "completed");
    assert_eq!(shell.show("never")["state"], "dead");
    let failed = shell.show("f");
    assert_eq!((&failed["state"], &failed["error"]), (&"dead".into(), &"no luck".into()));
    assert_eq!((&failed["attempt"], &failed["crashes"]), (&3.into(), &0.into()), "the dead keep their counts");
    assert!(failed["worker"].is_string() && failed["fence"].is_u64());
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
    assert_eq!(stats["docket"], "plyr");
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
    assert!(finished.stderr.contains("completed already"), "{finished:?}");
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
fn a_worker_with_nothing_to_do_finds_out_at_once() {
    let redis = Redis::start(&[]);
    let started = Instant::now();
    Shell::on(&redis).ok(&["worker", "--until-finished", "--queues", "a, b"]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
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
    let name = docket::Name::new("trace").unwrap();
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
fn a_terminated_worker_gives_its_task_back_uncounted() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let mut worker = shell.worker(&[]);
    shell.ok(&["add", "sleep", r#"{"seconds":60}"#, "--key", "long"]);
    shell.wait_for("long", "running");
    let started = Instant::now();
    worker.terminate();
    assert_eq!(worker.end(), 0);
    assert!(started.elapsed() < Duration::from_secs(5), "below the usual kill: {:?}", started.elapsed());
    let task = shell.show("long");
    assert_eq!((&task["state"], &task["attempt"], &task["crashes"]), (&"ready".into(), &0.into(), &0.into()));
}

#[test]
fn a_second_signal_leaves_at_once() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let mut worker = shell.worker(&[]);
    shell.ok(&["add", "sleep", r#"{"seconds":60}"#, "--key", "long"]);
    shell.wait_for("long", "running");
    worker.terminate();
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    worker.terminate();
    worker.end();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(shell.show("long")["state"], "running", "its lease is left to its deadline");
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

#[test]
fn a_server_that_evicts_is_refused_unless_told_otherwise() {
    let redis = Redis::start(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    let shell = Shell::on(&redis);
    let refused = shell.run(&["add", "trace", "{}"]);
    assert!(refused.code != 0 && refused.stderr.contains("allkeys-lru"), "{refused:?}");
    shell.ok(&["stats"]);
    let told = shell.command(&["add", "trace", "{}"]).env("DOCKET_ACCEPT_EVICTION", "true").output().unwrap();
    assert_eq!(Said::from(told).code, 0);
}

#[test]
fn a_store_that_is_away_is_exit_code_3_in_time() {
    // One nobody listens on any more, and one that accepts and never answers its handshake.
    let [gone, silent] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [&gone, &silent].map(|listener| listener.local_addr().unwrap().port());
    drop(gone);
    for port in ports {
        let shell = Shell::at(format!("redis://joe:secret@127.0.0.1:{port}"));
        for arguments in [&["add", "trace", "{}"][..], &["stats"], &["worker", "--until-finished"], &["doctor"]] {
            let started = Instant::now();
            let said = shell.run(arguments);
            assert_eq!(said.code, 3, "{arguments:?}: {said:?}");
            assert!(started.elapsed() < Duration::from_secs(10), "{arguments:?}: {:?}", started.elapsed());
            assert!(said.stdout.is_empty() && !said.stderr.contains("secret"), "{said:?}");
        }
    }
}

#[test]
fn a_wrong_password_is_a_failure_that_does_not_show_it() {
    let redis = Redis::start(&["--requirepass", "right"]);
    let shell = Shell::at(redis.url().replace("://", "://:wrong@"));
    let said = shell.run(&["stats"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("password") && !said.stderr.contains(":wrong@"), "{said:?}");
    let shell = Shell::at(redis.url().replace("://", "://:right@"));
    shell.ok(&["stats"]);
    let help = shell.ok(&["--help"]);
    assert!(!help.stdout.contains("right@"), "{help:?}");
}

#[test]
fn usage_errors_are_exit_code_2_and_name_what_is_wrong() {
    let shell = Shell::at("redis://127.0.0.1:1");
    for (arguments, said_of_it) in [
        (&["add", "trace", "{\"a\":}"][..], "line 1 column 6"),
        (&["add", "trace", "{}", "--in", "soon"], "--in"),
        (&["add", "no name", "{}"], "task name"),
        (&["ls", "--state", "lost"], "--state"),
        (&["worker", "--concurrency", "0"], "concurrency is 0"),
        (&["stats", "--docket", "a{b}"], "docket name"),
        (&["stats", "--url", "redis+sentinel://joe:secret@host"], "not built yet"),
        (&["stats", "--url", "localhost"], "no scheme"),
        (&["unknown"], "unknown"),
    ] {
        let said = shell.run(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(said_of_it) && !said.stderr.contains("secret"), "{arguments:?}: {said:?}");
        assert!(said.stdout.is_empty(), "{said:?}");
    }
}

#[test]
fn a_memory_docket_is_refused_with_a_way_out() {
    for shell in [Shell::at("memory://"), Shell::at("")] {
        for arguments in [
            &["add", "trace", "{}"][..],
            &["show", "k"],
            &["ls"],
            &["stats"],
            &["workers"],
            &["cancel", "k"],
            &["requeue", "k"],
            &["clear", "--yes"],
            &["worker"],
        ] {
            let said = shell.run(arguments);
            assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
            assert!(said.stderr.contains("inside one process") && said.stderr.contains("DOCKET_URL"), "{said:?}");
        }
    }
}

#[test]
fn a_flag_wins_over_the_environment() {
    let redis = Redis::start(&[]);
    let shell = Shell::at("redis://127.0.0.1:1");
    let url = redis.url();
    shell.ok(&["add", "trace", "{}", "--key", "k", "--url", &url]);
    shell.ok(&["--url", &url, "show", "k"]);
}

/// A task that lives in a queue of its own.
#[derive(serde::Serialize, serde::Deserialize)]
struct Export {}

#[async_trait::async_trait]
impl Task for Export {
    const NAME: &'static str = "export";
    type Output = ();

    fn policy() -> Policy {
        Policy { queue: Queue::new("media").expect("a good name"), ..Policy::default() }
    }

    async fn run(self, _ctx: Context) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn add_puts_a_task_where_its_live_worker_expects_it() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let unknown = shell.ok(&["add", "export", "--key", "early", "--in", "1h"]);
    assert!(unknown.stderr.contains("no live worker handles export in queue default"), "{unknown:?}");
    assert_eq!(shell.show("early")["queue"], "default");
    let mut registry = Registry::new();
    registry.register::<Export>().unwrap();
    let docket = Docket::connect(redis.url()).await.unwrap();
    let worker = docket.worker().registry(registry).build().unwrap();
    let stop = worker.stop();
    let run = tokio::spawn(worker.run());
    while docket.store().workers().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elsewhere = shell.ok(&["add", "export", "--queue", "nobodys", "--in", "1h"]);
    assert!(elsewhere.stderr.contains("no live worker handles export in queue nobodys"), "{elsewhere:?}");
    let known = shell.ok(&["add", "export", "--key", "media"]);
    assert!(known.stderr.is_empty(), "{known:?}");
    shell.wait_for("media", "completed");
    assert_eq!(shell.show("media")["queue"], "media");
    stop.stop();
    run.await.unwrap().unwrap();
}
