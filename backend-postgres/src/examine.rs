//! The check of the server: which version, role or settings can lose or delay tasks.

use docket_core::{Error, ErrorKind, Finding, Result, Retryable, Severity, display_duration};
use sqlx::Row;
use sqlx::postgres::PgArguments;

use crate::connection::Connection;
use crate::schema::{LAYOUT, needed};
use crate::statements::Statement;
use crate::{Options, Pooler};

/// The oldest server whose `extract` gives microseconds exactly.
const VERSION_MIN: i64 = 140_000;

/// Refuses a server that cannot keep tasks; logs settings that can lose them in a fault.
pub(crate) async fn admit(connection: &Connection) -> Result<()> {
    for finding in examine(connection).await? {
        match finding.severity {
            Severity::Ok => {}
            Severity::Danger => return Err(refusal(&finding, &connection.server.address)),
            Severity::Warning => tracing::warn!(
                subject = finding.subject,
                found = finding.found,
                advice = finding.advice,
                "the store can lose or delay tasks"
            ),
        }
    }
    Ok(())
}

fn refusal(finding: &Finding, address: &str) -> Error {
    let message = format!("{address}: {} is {}; {}", finding.subject, finding.found, finding.advice);
    // A copy may be promoted while the caller retries; everything else needs a person.
    let passes = if finding.subject == ROLE { Retryable::Yes } else { Retryable::No };
    Error::new(ErrorKind::Refused, "use the store", message).retryable(passes)
}

/// The settings to ask for; a setting that the server does not have is empty.
const SETTINGS: [&str; 7] = [
    "server_version_num",
    "server_version",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "server_encoding",
    "autovacuum",
];

/// Asks the server for its settings, and judges them.
pub(crate) async fn examine(connection: &Connection) -> Result<Vec<Finding>> {
    let operation = "look at the server";
    let settings = SETTINGS.map(|name| format!("coalesce(current_setting('{name}', true), '')")).join(", ");
    let text = format!("SELECT ARRAY[pg_is_in_recovery()::text, current_setting('transaction_read_only'), {settings}]");
    let statement = Statement::new(&text, &connection.server.options.schema);
    let row = connection.look(&statement, PgArguments::default(), operation).await?;
    let found: Vec<String> = row.try_get(0).map_err(|error| {
        Error::new(ErrorKind::Internal, operation, "the answer has an unexpected form").with_source(error)
    })?;
    let mut findings = judge(&Facts::read(found));
    findings.push(wake_ups(&connection.server.options));
    Ok(findings)
}

/// Whether this build and the docket have the same schema and layout. With another layout, every
/// call that writes is refused.
pub(crate) async fn schema(connection: &Connection, statement: &Statement, arguments: PgArguments) -> Result<Finding> {
    let operation = "look at the schema";
    let row = match connection.look(statement, arguments, operation).await {
        Ok(row) => row,
        Err(error) if error.kind() == ErrorKind::Config => {
            return Ok(finding(
                Severity::Warning,
                SCHEMA,
                "missing",
                "the first worker makes it, or docket migrate up",
            ));
        }
        Err(error) => return Err(error),
    };
    let numbers = row.try_get(0).and_then(|version: i64| Ok((version, row.try_get::<Option<i64>, _>(1)?)));
    let (version, layout) = numbers.map_err(|error| {
        Error::new(ErrorKind::Internal, operation, "the answer has an unexpected form").with_source(error)
    })?;
    Ok(judge_schema(version, layout))
}

const SCHEMA: &str = "schema";

fn judge_schema(version: i64, layout: Option<i64>) -> Finding {
    let found = |of: &str, found: i64, ours: i64| format!("{of} {found}, and this build needs {ours}");
    match layout {
        _ if version < needed() => {
            finding(Severity::Warning, SCHEMA, found("version", version, needed()), "docket migrate up")
        }
        Some(layout) if layout != LAYOUT => {
            finding(Severity::Danger, SCHEMA, found("layout", layout, LAYOUT), "use a matching build")
        }
        _ if version > needed() => {
            let advice = "running processes of this build go on, and new ones do not start; use a matching build";
            finding(Severity::Warning, SCHEMA, found("version", version, needed()), advice)
        }
        _ => finding(Severity::Ok, SCHEMA, format!("version {version}, layout {LAYOUT}"), ""),
    }
}

/// How a waiting worker learns of work.
fn wake_ups(options: &Options) -> Finding {
    let found = match options.pooler {
        Pooler::None => "by notification".to_owned(),
        Pooler::Transaction => format!("a poll every {} (pooler)", display_duration(options.poll)),
    };
    finding(Severity::Ok, "wake-ups", found, "")
}

/// The server's answers.
#[derive(Clone, Debug, Default)]
struct Facts {
    is_copy: bool,
    is_read_only: bool,
    settings: Vec<String>,
}

impl Facts {
    fn read(found: Vec<String>) -> Self {
        let mut found = found.into_iter();
        let (is_copy, is_read_only) = (found.next().as_deref() == Some("true"), found.next().as_deref() == Some("on"));
        Self { is_copy, is_read_only, settings: found.collect() }
    }

    fn get(&self, name: &str) -> &str {
        let at = SETTINGS.iter().position(|setting| *setting == name);
        at.and_then(|at| self.settings.get(at)).map_or("", String::as_str)
    }
}

const ROLE: &str = "role";

/// One finding per subject, good ones too.
fn judge(facts: &Facts) -> Vec<Finding> {
    vec![
        version(facts),
        role(facts),
        encoding(facts),
        switch(facts, "fsync", "a crash of the machine can destroy the database; turn it on"),
        switch(facts, "full_page_writes", "a crash of the machine can destroy the database; turn it on"),
        switch(facts, "autovacuum", "dead rows are never cleaned up, and leasing gets slower and slower; turn it on"),
        commit(facts),
    ]
}

fn finding(severity: Severity, subject: &str, found: impl Into<String>, advice: &str) -> Finding {
    Finding { severity, subject: subject.to_owned(), found: found.into(), advice: advice.to_owned() }
}

fn version(facts: &Facts) -> Finding {
    let shown = format!("Postgres {}", facts.get("server_version"));
    match facts.get("server_version_num").parse::<i64>() {
        Ok(number) if number >= VERSION_MIN => finding(Severity::Ok, "version", shown, ""),
        Ok(_) => finding(Severity::Danger, "version", shown, "use Postgres 14 or later"),
        Err(_) => finding(Severity::Warning, "version", "unknown", "make sure that it is at least that of Postgres 14"),
    }
}

fn role(facts: &Facts) -> Finding {
    if facts.is_copy {
        return finding(Severity::Danger, ROLE, "read-only copy", "point the URL at the primary");
    }
    if facts.is_read_only {
        let advice = "turn default_transaction_read_only off, or use another user";
        return finding(Severity::Danger, ROLE, "read-only", advice);
    }
    finding(Severity::Ok, ROLE, "primary", "")
}

fn encoding(facts: &Facts) -> Finding {
    match facts.get("server_encoding") {
        "UTF8" => finding(Severity::Ok, "encoding", "UTF8", ""),
        other => {
            let advice = "keys in other scripts are refused or changed; use a database made with ENCODING 'UTF8'";
            finding(Severity::Danger, "encoding", other, advice)
        }
    }
}

fn switch(facts: &Facts, subject: &str, advice: &str) -> Finding {
    match facts.get(subject) {
        "on" => finding(Severity::Ok, subject, "on", ""),
        "" => finding(Severity::Warning, subject, "unknown", advice),
        other => finding(Severity::Warning, subject, other, advice),
    }
}

fn commit(facts: &Facts) -> Finding {
    let subject = "synchronous_commit";
    match facts.get(subject) {
        "off" => {
            let advice = "a crash of the server loses the most recent additions; turn it on";
            finding(Severity::Warning, subject, "off", advice)
        }
        "" => finding(Severity::Warning, subject, "unknown", "make sure that it is on"),
        other => finding(Severity::Ok, subject, other, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(changes: &[(&str, &str)]) -> Facts {
        let sound = ["150018", "15.18", "on", "on", "on", "UTF8", "on"].map(str::to_owned).to_vec();
        let mut facts = Facts { settings: sound, ..Facts::default() };
        for (name, value) in changes {
            match *name {
                "copy" => facts.is_copy = true,
                "read-only" => facts.is_read_only = true,
                name => {
                    let at = SETTINGS.iter().position(|setting| *setting == name).unwrap();
                    facts.settings[at] = (*value).to_owned();
                }
            }
        }
        facts
    }

    #[test]
    fn a_schema_or_layout_of_another_build_is_found() {
        let (ours, layout) = (needed(), format!("layout {LAYOUT}"));
        for (version, found, severity, said) in [
            (ours, Some(LAYOUT), Severity::Ok, layout.clone()),
            (ours, None, Severity::Ok, layout),
            (ours - 1, Some(LAYOUT), Severity::Warning, format!("version {}, and this build needs {ours}", ours - 1)),
            (ours + 1, Some(LAYOUT), Severity::Warning, format!("version {}, and this build needs {ours}", ours + 1)),
            (ours, Some(99), Severity::Danger, format!("layout 99, and this build needs {LAYOUT}")),
        ] {
            let finding = judge_schema(version, found);
            assert!(finding.severity == severity && finding.found.contains(&said), "{finding:?}");
        }
    }

    #[test]
    fn a_sound_server_has_nothing_but_good_findings() {
        assert!(judge(&facts(&[])).iter().all(|finding| finding.severity == Severity::Ok && finding.advice.is_empty()));
    }

    #[test]
    fn what_can_lose_tasks_is_found_and_comes_with_advice() {
        use Severity::{Danger, Warning};
        for (change, subject, severity, found) in [
            (("server_version_num", "130014"), "version", Danger, "Postgres 15.18"),
            (("server_version_num", ""), "version", Warning, "unknown"),
            (("copy", ""), ROLE, Danger, "read-only copy"),
            (("read-only", ""), ROLE, Danger, "read-only"),
            (("server_encoding", "LATIN1"), "encoding", Danger, "LATIN1"),
            (("fsync", "off"), "fsync", Warning, "off"),
            (("full_page_writes", "off"), "full_page_writes", Warning, "off"),
            (("autovacuum", "off"), "autovacuum", Warning, "off"),
            (("synchronous_commit", "off"), "synchronous_commit", Warning, "off"),
        ] {
            let findings = judge(&facts(&[change]));
            let bad: Vec<_> = findings.iter().filter(|finding| finding.severity != Severity::Ok).collect();
            assert_eq!(bad.len(), 1, "{change:?}: {bad:?}");
            assert_eq!((bad[0].subject.as_str(), bad[0].severity, bad[0].found.as_str()), (subject, severity, found));
            assert!(!bad[0].advice.is_empty(), "{change:?}");
        }
    }
}
