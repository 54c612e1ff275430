//! What is refused, with which exit code and which words.

use std::net::TcpListener;
use std::time::{Duration, Instant};

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
