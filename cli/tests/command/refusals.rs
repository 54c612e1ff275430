//! What is refused, with which exit code and which words.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use conformance_tests::servers::PostgresServer;

use crate::common::Redis;
use crate::said::Said;
use crate::shell::Shell;

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
    let urls = ports.iter().flat_map(|port| ["redis", "postgres"].map(|store| (store, port)));
    let verbs = [
        &["add", "trace", "{}"][..],
        &["show", "k"],
        &["ls"],
        &["stats"],
        &["workers"],
        &["cancel", "k"],
        &["requeue", "k"],
        &["clear", "--yes"],
        &["worker", "--until-finished"],
        &["doctor"],
    ];
    thread::scope(|scope| {
        for (store, port) in urls {
            let shell = Shell::at(format!("{store}://joe:secret@127.0.0.1:{port}/0"));
            scope.spawn(move || verbs.iter().for_each(|verb| is_away(&shell, verb)));
        }
    });
}

fn is_away(shell: &Shell, arguments: &[&str]) {
    let started = Instant::now();
    let said =
        Said::from(shell.command(arguments).env("DOCKET_PATIENCE", "1500ms").output().expect("the command can be run"));
    assert_eq!(said.code, 3, "{arguments:?}: {said:?}");
    let took = started.elapsed();
    assert!((Duration::from_millis(1_300)..Duration::from_secs(10)).contains(&took), "{arguments:?}: {took:?}");
    assert_eq!(said.stderr.matches("the store does not answer yet").count(), 1, "{arguments:?}: {said:?}");
    assert!(said.stdout.is_empty() && !said.stderr.contains("secret"), "{said:?}");
}

/// Postgres says 57P03 while it starts, Redis LOADING while it reads its data, and before that nobody listens: a verb that
/// comes too early waits.
#[test]
fn a_store_that_comes_back_is_waited_for() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", "{}", "--key", "k"]);
    redis.kill9();
    waits_for(&shell, redis.restart());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let postgres = runtime.block_on(PostgresServer::start());
    let shell = Shell::at(postgres.url());
    shell.ok(&["add", "trace", "{}", "--key", "k"]);
    postgres.kill9();
    waits_for(&shell, postgres.restart());
}

fn waits_for(shell: &Shell, restart: impl Future<Output = ()>) {
    let early = ["show", "add"].map(|verb| {
        let arguments = if verb == "show" { &["show", "k"][..] } else { &["add", "trace", "{}"] };
        let mut command = shell.command(arguments);
        command.env("DOCKET_PATIENCE", "30s").stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the command can be run")
    });
    thread::sleep(Duration::from_millis(1_500));
    tokio::runtime::Runtime::new().expect("a test can have a runtime").block_on(restart);
    for early in early {
        let said = Said::from(early.wait_with_output().expect("the command ends"));
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.stderr.matches("the store does not answer yet").count(), 1, "{said:?}");
    }
}

/// `--at 2099-01-01` became 2036, with exit code 0.
#[test]
fn a_time_beyond_ten_years_is_refused_with_the_bound() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    for time in [["--at", "2099-01-01T00:00:00Z"], ["--in", "90000h"]] {
        let refused = shell.run(&["add", "trace", "{}", "--key", "far", time[0], time[1]]);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(refused.stderr.contains("3650 days") && refused.stderr.contains("DELAY_MAX"), "{refused:?}");
        assert_eq!(shell.run(&["show", "far"]).code, 4);
    }
}

#[test]
fn a_url_in_a_file_is_used_and_not_in_two_places() {
    let redis = Redis::start(&[]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), redis.url()).unwrap();
    let run =
        |shell: &Shell| Said::from(shell.command(&["stats"]).env("DOCKET_URL_FILE", file.path()).output().unwrap());
    let said = run(&Shell::at(""));
    assert_eq!(said.code, 0, "{said:?}");
    let said = run(&Shell::at("redis://joe:secret@127.0.0.1:1"));
    assert!(said.code == 2 && said.stderr.contains("set one of them") && !said.stderr.contains("secret"), "{said:?}");
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

/// The queue was opened first: a typing error in the URL of the outbox was reported only when the
/// wait for the queue was over.
#[test]
fn a_mistake_in_a_second_url_is_told_before_the_first_is_asked() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound").port();
    let queue = format!("redis://joe:secret@127.0.0.1:{gone}/0");
    let shell = Shell::at(&queue);
    let refused = |mut command: Command, what: &str| {
        let started = Instant::now();
        let said = Said::from(command.env("DOCKET_PATIENCE", "30s").output().expect("the command can be run"));
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{what}: {said:?}");
        assert!(started.elapsed() < Duration::from_secs(15), "{what}: {:?}", started.elapsed());
        assert!(!said.stderr.contains("secret") && !said.stderr.contains("does not answer"), "{what}: {said:?}");
        said
    };
    for (url, why) in [
        ("postgres://joe:secret@localhost/app?sslmode=secret", "sslmode"),
        ("postgres://joe:secret@localhost:notaport/app", "port"),
        ("redis://joe:secret@localhost", "scheme"),
        ("joe:secret@localhost/app", "no scheme"),
    ] {
        for verb in [&["add", "trace", "{}"][..], &["worker"], &["show", "k"], &["doctor"]] {
            let mut command = shell.command(verb);
            command.env("DOCKET_OUTBOX_URL", url);
            let said = refused(command, &format!("{verb:?} with {url}"));
            assert!(said.stderr.contains(why), "{said:?}");
        }
        if !url.starts_with("redis") {
            refused(shell.command(&["move", "--from", &queue, "--to", url]), &format!("move to {url}"));
        }
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
