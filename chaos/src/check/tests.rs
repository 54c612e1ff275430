//! A ledger that breaks each rule, beside one that breaks none.

use super::*;
use crate::ledger::{Event, How, Line, Strike};
use crate::plan::Kind;

const SECOND: Micros = 1_000_000;

/// Ledgers by hand: `(process, seconds, event)`.
fn verdict(lines: &[(&str, f64, Event)]) -> Verdict {
    let mut files: std::collections::BTreeMap<String, Vec<Line>> = std::collections::BTreeMap::new();
    for (process, at, event) in lines {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive by hand")]
        let at = (at * 1e6) as Micros;
        files.entry((*process).to_owned()).or_default().push(Line { at, event: event.clone() });
    }
    let files: Vec<_> = files.into_iter().collect();
    check(&History::of(&files), &Rules::new(Duration::from_millis(2_500)))
}

fn adding() -> Event {
    Event::Adding { key: "k".into(), delay: 0 }
}

fn added() -> Event {
    Event::Added { key: "k".into() }
}

fn started(run: u64, fence: u64) -> Event {
    Event::Started { run, key: "k".into(), fence, attempt: 1 }
}

fn ended(run: u64, how: How) -> Event {
    Event::Ended { run, how }
}

fn found(state: Option<&str>) -> Event {
    Event::Found { key: "k".into(), state: state.map(ToOwned::to_owned) }
}

fn paused(process: &str) -> Event {
    Event::Paused { process: process.into() }
}

fn resumed(process: &str) -> Event {
    Event::Resumed { process: process.into() }
}

fn gone(process: &str) -> Event {
    Event::Gone { process: process.into() }
}

fn fault(kind: Kind, from: u64, until: u64, processes: Option<&[&str]>) -> Event {
    let processes = processes.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Event::Fault(Strike { kind, from: from * SECOND, until: until * SECOND, processes, lossy_since: None })
}

/// Added, run, drained: the start of most tests.
const A: &str = "adder-0.1";
const W: &str = "worker-0.1";
const V: &str = "worker-1.1";
const C: &str = "conductor";

fn broken(verdict: &Verdict) -> Vec<&'static str> {
    let mut rules: Vec<_> = verdict.violations.iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn a_sound_run_breaks_nothing() {
    let verdict = verdict(&[
        (A, 1.0, adding()),
        (A, 1.1, added()),
        (W, 1.2, started(1, 1)),
        (W, 1.3, ended(1, How::Failed)),
        (W, 2.0, started(2, 2)),
        (W, 2.1, ended(2, How::Done)),
        (C, 3.0, Event::Drained),
        (C, 3.1, found(Some("completed"))),
    ]);
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.added, verdict.started, verdict.duplicates), (1, 2, Duplicates::default()));
    assert_eq!(verdict.recovery[0].max, SECOND / 10);
}

#[test]
fn an_acknowledged_task_that_is_gone_is_lost() {
    let lines = [(A, 1.0, adding()), (A, 1.1, added()), (C, 3.0, Event::Drained), (C, 3.1, found(None))];
    assert_eq!(broken(&verdict(&lines)), ["lost"]);
}

#[test]
fn a_task_whose_add_was_not_acknowledged_may_be_gone() {
    let refused = Event::Refused { key: "k".into(), error: "away".into() };
    let lines = [(A, 1.0, adding()), (A, 1.1, refused), (C, 3.0, Event::Drained), (C, 3.1, found(None))];
    let verdict = verdict(&lines);
    assert_eq!((verdict.violations.len(), verdict.refused), (0, 1));
}

#[test]
fn what_a_copy_had_not_received_may_be_gone_and_what_it_had_may_not() {
    for (acknowledged, expected) in [(1.1, vec!["lost"]), (4.5, vec![])] {
        let strike = Strike {
            kind: Kind::Failover,
            from: 5 * SECOND,
            until: 6 * SECOND,
            processes: None,
            lossy_since: Some(4 * SECOND),
        };
        let verdict = verdict(&[
            (A, 1.0, adding()),
            (A, acknowledged, added()),
            (C, 7.0, Event::Fault(strike)),
            (C, 8.0, Event::Drained),
            (C, 8.1, found(None)),
        ]);
        assert_eq!(broken(&verdict), expected);
        assert_eq!(verdict.lost_as_stated, usize::from(expected.is_empty()));
    }
}

#[test]
fn a_task_that_is_completed_without_a_run_is_lost() {
    let lines = [(A, 1.0, adding()), (A, 1.1, added()), (W, 1.2, started(1, 1)), (W, 1.5, ended(1, How::Dropped))];
    let end = [(C, 3.0, Event::Drained), (C, 3.1, found(Some("completed")))];
    assert_eq!(broken(&verdict(&[lines.as_slice(), &end].concat())), ["lost"]);
}

#[test]
fn a_dead_task_is_lost() {
    let lines = [(A, 1.0, adding()), (A, 1.1, added()), (C, 3.0, Event::Drained), (C, 3.1, found(Some("dead")))];
    assert_eq!(broken(&verdict(&lines)), ["lost"]);
}

#[test]
fn a_task_that_nobody_added_is_a_stranger() {
    let lines = [(W, 1.2, started(1, 1)), (W, 1.3, ended(1, How::Done)), (C, 3.0, Event::Drained)];
    assert_eq!(broken(&verdict(&lines)), ["lost"]);
}

/// A run that is taken over at 4 s and told at `told`.
fn taken_over(told: f64) -> Vec<(&'static str, f64, Event)> {
    vec![
        (A, 1.0, adding()),
        (A, 1.1, added()),
        (W, 1.2, started(1, 1)),
        (V, 4.0, started(1, 2)),
        (W, told, Event::Told { run: 1 }),
        (W, told + 0.1, ended(1, How::Stopped)),
        (V, 12.0, ended(1, How::Done)),
        (C, 12.0, fault(Kind::Hang, 1, 4, Some(&[W]))),
        (C, 13.0, Event::Drained),
    ]
}

#[test]
fn a_run_that_is_taken_over_is_told_within_a_lease() {
    assert_eq!(verdict(&taken_over(6.0)).violations, []);
    assert_eq!(broken(&verdict(&taken_over(9.0))), ["overlap"]);
}

#[test]
fn a_process_that_stands_still_is_told_within_a_lease_of_its_going_on() {
    let pause = [(C, 3.0, paused(W)), (C, 8.0, resumed(W))];
    assert_eq!(verdict(&[taken_over(9.0).as_slice(), &pause].concat()).violations, []);
    let pause = [(C, 1.3, paused(W)), (C, 3.9, resumed(W))];
    assert_eq!(broken(&verdict(&[taken_over(9.0).as_slice(), &pause].concat())), ["overlap"]);
}

#[test]
fn a_killed_process_runs_nothing_any_more() {
    let mut lines = taken_over(9.0);
    lines.retain(|(_, _, event)| !matches!(event, Event::Told { .. }) && *event != ended(1, How::Stopped));
    assert_eq!(broken(&verdict(&lines)), ["overlap"]);
    lines.push((C, 2.0, gone(W)));
    assert_eq!(verdict(&lines).violations, []);
}

#[test]
fn a_start_that_nothing_explains_is_a_duplicate() {
    let lines = |fault_at: u64| {
        vec![
            (A, 1.0, adding()),
            (A, 1.1, added()),
            (W, 1.2, started(1, 1)),
            (W, 1.3, ended(1, How::Done)),
            (V, 6.0, started(1, 2)),
            (V, 6.1, ended(1, How::Done)),
            (C, 12.0, fault(Kind::Hang, fault_at, fault_at + 1, None)),
            (C, 13.0, Event::Drained),
        ]
    };
    let struck = verdict(&lines(1));
    assert_eq!((struck.violations.as_slice(), struck.duplicates), ([].as_slice(), Duplicates { starts: 1, leases: 1 }));
    assert_eq!(broken(&verdict(&lines(9))), ["duplicate"]);
}

#[test]
fn a_fault_explains_nothing_in_processes_that_it_did_not_strike() {
    let mut lines = taken_over(6.0);
    lines.retain(|(process, ..)| *process != C);
    lines.extend([(C, 12.0, fault(Kind::Kill, 1, 4, Some(&[V]))), (C, 13.0, Event::Drained)]);
    // V's own run is struck, and nobody has taken that over: one lease, one start. Both of W's would be one too many.
    assert_eq!(verdict(&lines).duplicates, Duplicates { starts: 1, leases: 1 });
    lines.push((W, 10.0, started(2, 3)));
    lines.push((W, 10.1, ended(2, How::Done)));
    assert_eq!(broken(&verdict(&lines)), ["duplicate"]);
}

#[test]
fn a_fence_that_goes_back_is_seen() {
    let lines = [
        (A, 1.0, adding()),
        (A, 1.1, added()),
        (W, 1.2, started(1, 7)),
        (W, 1.3, ended(1, How::Failed)),
        (W, 2.0, started(2, 7)),
        (W, 2.1, ended(2, How::Done)),
        (C, 3.0, Event::Drained),
    ];
    assert_eq!(broken(&verdict(&lines)), ["fence"]);
}

#[test]
fn what_is_not_worked_off_is_stuck() {
    let lines = [(A, 1.0, adding()), (A, 1.1, added()), (C, 3.1, found(Some("ready")))];
    let verdict = verdict(&lines);
    assert_eq!((broken(&verdict), verdict.violations.len()), (vec!["stuck"], 2));
}

#[test]
fn a_task_that_waits_long_after_the_fault_is_seen() {
    let lines = |start: f64| {
        vec![
            (A, 1.0, adding()),
            (A, 1.1, added()),
            (W, start, started(1, 1)),
            (W, start + 0.1, ended(1, How::Done)),
            (C, 50.0, fault(Kind::Stop, 1, 4, None)),
            (C, 60.0, Event::Drained),
        ]
    };
    let soon = verdict(&lines(5.0));
    let stop = soon.recovery.iter().find(|recovery| recovery.kind == Some(Kind::Stop)).unwrap();
    assert_eq!((soon.violations.len(), stop.strikes, stop.tasks, stop.max), (0, 1, 1, SECOND));
    assert_eq!(broken(&verdict(&lines(30.0))), ["recovery"]);
}

/// Each worker runs one suspect at a time, and these take seconds: the others wait for them.
#[test]
fn a_task_that_was_lost_twice_may_wait_for_others_like_it() {
    let lines = |losses: u32| {
        let mut lines = vec![(A, 1.0, adding()), (A, 1.1, added())];
        for n in 0..losses {
            let (at, from) = (2.0 + 4.0 * f64::from(n), u64::from(3 + 4 * n));
            lines.push((W, at, started(u64::from(n), u64::from(n) + 1)));
            lines.push((C, at + 2.0, fault(Kind::Clock, from, from + 1, None)));
        }
        let (last, start) = (u64::from(losses), 2.0 + 4.0 * f64::from(losses) + 20.0);
        lines.extend([
            (W, start, started(last, last + 1)),
            (W, start + 0.1, ended(last, How::Done)),
            (C, start + 1.0, Event::Drained),
            (C, start + 1.1, found(Some("completed"))),
        ]);
        lines
    };
    assert!(broken(&verdict(&lines(1))).contains(&"recovery"));
    assert!(!broken(&verdict(&lines(2))).contains(&"recovery"));
}

#[test]
fn a_broken_off_run_waits_from_the_fault_to_its_next_start() {
    let verdict = verdict(&[
        (A, 1.0, adding()),
        (A, 1.1, added()),
        (W, 1.2, started(1, 1)),
        (C, 2.0, gone(W)),
        (V, 5.0, started(1, 2)),
        (V, 5.1, ended(1, How::Done)),
        (C, 5.2, fault(Kind::Kill, 2, 2, Some(&[W]))),
        (C, 6.0, Event::Drained),
    ]);
    let kill = verdict.recovery.iter().find(|recovery| recovery.kind == Some(Kind::Kill)).unwrap();
    assert_eq!((verdict.violations.len(), kill.tasks, kill.max), (0, 1, 3 * SECOND));
}

#[test]
fn a_defect_of_the_audit_is_a_violation() {
    let lines = [(C, 3.0, Event::Drained), (C, 3.1, Event::Defect { text: "an orphan".into() })];
    assert_eq!(broken(&verdict(&lines)), ["audit"]);
}

#[test]
fn a_periodic_task_that_stops_coming_is_seen() {
    let tick = |run| Event::Started { run, key: crate::history::PERIODIC.into(), fence: run, attempt: 1 };
    let lines = |last: f64| {
        let ticks = (1..=10_u32).flat_map(|n| {
            let (run, at) = (u64::from(n), f64::from(n));
            [(W, at, tick(run)), (W, at, ended(run, How::Done))]
        });
        let frame = [(C, 0.5, Event::Begun { every: SECOND }), (C, last, Event::Drained)];
        ticks.chain(frame).collect::<Vec<_>>()
    };
    assert_eq!(verdict(&lines(12.0)).violations, []);
    assert_eq!(broken(&verdict(&lines(60.0))), ["periodic"]);
    let never = [(C, 0.5, Event::Begun { every: SECOND }), (C, 60.0, Event::Drained)];
    assert_eq!(broken(&verdict(&never)), ["periodic"]);
}
