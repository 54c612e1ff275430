//! The report of a run, and the file of seeds that failed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Outcome;
use crate::check::{Recovery, Verdict};
use crate::conductor::Asked;
use crate::plan::Kind;
use crate::time::Micros;

/// Violations shown; the ledgers have them all.
const SHOWN_MAX: usize = 20;

/// The run in words.
pub fn report(asked: &Asked, verdict: &Verdict, ends: &[String]) -> String {
    let Verdict { violations, added, refused, started, lost_as_stated, duplicates, recovery } = verdict;
    let mut text = format!("{} seed {}, {}: ", asked.store.name(), asked.seed, length(asked.lasts));
    let lost = violations.iter().filter(|violation| violation.rule == "lost").count();
    let _ = writeln!(
        text,
        "{added} added, {refused} refused, {started} runs, {lost} lost ({lost_as_stated} more as stated), {} duplicate \
         starts of at most {}, {} violations",
        duplicates.starts,
        duplicates.leases,
        violations.len()
    );
    let _ = writeln!(
        text,
        "{:<14} {:>7} {:>7} {:>9} {:>9} {:>9}",
        "fault", "strikes", "tasks", "p50 ms", "p99 ms", "max ms"
    );
    for Recovery { kind, strikes, tasks, p50, p99, max } in recovery {
        let name = kind.map_or("(none)".to_owned(), Kind::name);
        let [p50, p99, max] = [p50, p99, max].map(|time| millis(*time));
        let _ = writeln!(text, "{name:<14} {strikes:>7} {tasks:>7} {p50:>9} {p99:>9} {max:>9}");
    }
    for end in ends {
        let _ = writeln!(text, "note: {end}");
    }
    let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
    for violation in violations {
        *by_rule.entry(violation.rule).or_default() += 1;
    }
    for (rule, count) in by_rule {
        let _ = writeln!(text, "violations of the rule `{rule}`: {count}");
    }
    for violation in violations.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "VIOLATION {}: {}", violation.rule, violation.what);
    }
    if violations.len() > SHOWN_MAX {
        let _ = writeln!(text, "and {} more", violations.len() - SHOWN_MAX);
    }
    text
}

fn millis(time: Micros) -> String {
    format!("{}.{}", time / 1_000, time % 1_000 / 100)
}

/// For people: `40 s`, `1 m 30 s`, `3 m`.
fn length(lasts: Duration) -> String {
    let seconds = (lasts + Duration::from_millis(500)).as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} m"),
        (minutes, seconds) => format!("{minutes} m {seconds} s"),
    }
}

/// For the command, exact to the millisecond: `0.5`, `3`, `0.66667`.
fn minutes(lasts: Duration) -> String {
    let minutes = format!("{:.5}", lasts.as_secs_f64() / 60.0);
    minutes.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The command that plays it again.
pub fn command(asked: &Asked) -> String {
    let mut command =
        format!("just chaos --store {} --seed {} --minutes {}", asked.store.name(), asked.seed, minutes(asked.lasts));
    if !asked.kinds.is_empty() {
        let kinds: Vec<String> = asked.kinds.iter().copied().map(Kind::name).collect();
        let _ = write!(command, " --faults {}", kinds.join(","));
    }
    command
}

/// Adds a command to the file of failed ones, unless it is there.
pub fn keep(file: &Path, command: &str) -> Outcome {
    if kept(file).iter().any(|line| line == command) {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    Ok(writeln!(file, "{command}")?)
}

/// The commands in the file.
pub fn kept(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_for_people_and_for_the_command() {
        for (seconds, said, asked) in [(20.0, "20 s", "0.33333"), (90.0, "1 m 30 s", "1.5"), (180.0, "3 m", "3")] {
            let lasts = Duration::from_secs_f64(seconds);
            assert_eq!((length(lasts).as_str(), minutes(lasts).as_str()), (said, asked));
            let again = Duration::from_secs_f64(asked.parse::<f64>().unwrap() * 60.0);
            assert!(again.abs_diff(lasts) < Duration::from_millis(1), "{again:?}");
        }
    }
}
