//! The check of the server: which version, role, settings or persistence can lose or delay tasks.

use docket_core::{Error, ErrorKind, Finding, Result, Retryable, Severity};
use redis::{Value, cmd};

use crate::call::Call;
use crate::connection::Connection;
use crate::fields::Fields;
use crate::findings::{Facts, LAYOUT_OF_DOCKET, POLICY, ROLE, judge, judge_layout, permissions};
use crate::keys::Keys;
use crate::scripts;

const LOOK: &str = "look at the server";

/// Refuses a docket of another layout, and a server that can lose tasks in normal operation; logs
/// settings that can lose them in a fault.
pub(crate) async fn admit(connection: &Connection, keys: &Keys) -> Result<()> {
    let findings = examine(connection, keys).await?;
    for finding in findings.iter().filter(|finding| finding.severity != Severity::Ok) {
        let accepted = finding.subject == POLICY && connection.server.options.accept_eviction;
        if finding.severity == Severity::Danger && !accepted {
            return Err(refusal(finding, &connection.server.address));
        }
        tracing::warn!(
            subject = finding.subject,
            found = finding.found,
            advice = finding.advice,
            "the store can lose or delay tasks"
        );
    }
    Ok(())
}

fn refusal(finding: &Finding, address: &str) -> Error {
    let message = format!("{address}: {} is {}; {}", finding.subject, finding.found, finding.advice);
    // A copy may be promoted while the caller retries; everything else needs a person.
    let passes = if finding.subject == ROLE { Retryable::Yes } else { Retryable::No };
    let kind = if finding.subject == LAYOUT_OF_DOCKET { ErrorKind::Conflict } else { ErrorKind::Refused };
    Error::new(kind, "use the store", message).retryable(passes)
}

/// Asks the server for its settings, and judges them.
pub(crate) async fn examine(connection: &Connection, keys: &Keys) -> Result<Vec<Finding>> {
    let mut facts = match connection.command(&cmd("INFO"), LOOK).await {
        Ok(report) => Facts::read(&text_of(&report).unwrap_or_default()),
        // A user may lack this permission: the server's facts stay unknown.
        Err(error) if error.kind() == ErrorKind::Refused => Facts::default(),
        Err(error) => return Err(error),
    };
    for name in ["appendfsync", "save"] {
        // A managed server may hide its settings: this one stays unknown.
        if let Ok(Value::Array(pair)) = connection.command(cmd("CONFIG").arg("GET").arg(name), LOOK).await
            && let Some(value) = pair.get(1).and_then(text_of)
        {
            facts.0.insert(name.to_owned(), value);
        }
    }
    let mut findings = judge(&facts);
    findings.push(permissions(denied(connection, keys).await?.as_deref()));
    findings.push(layout(connection, keys).await?);
    Ok(findings)
}

/// Whether this build reads the docket's layout: otherwise every call is refused.
async fn layout(connection: &Connection, keys: &Keys) -> Result<Finding> {
    let answer = match connection.command(cmd("HGET").arg(keys.meta()).arg("layout"), LOOK).await {
        Ok(answer) => answer,
        // Still loading, for example, or not allowed: the scripts will report it.
        Err(error) => {
            tracing::debug!(?error, "could not ask for the layout");
            Value::Nil
        }
    };
    Ok(judge_layout(text_of(&answer).as_deref()))
}

/// The commands of the scripts that this user may not run; `None` if the server cannot tell now.
async fn denied(connection: &Connection, keys: &Keys) -> Result<Option<Vec<String>>> {
    let call = Call::new(&scripts::ACCESS, keys.meta(), 0);
    match connection.script(&call, LOOK).await {
        Ok(answer) => {
            let (mut commands, mut answer) = (Vec::new(), Fields::of(answer, LOOK)?);
            while !answer.is_empty() {
                commands.push(answer.text()?);
            }
            Ok(Some(commands))
        }
        Err(error) if error.kind() == ErrorKind::Refused => Err(error),
        // Still loading, for example: too early to refuse.
        Err(error) => {
            tracing::debug!(error = ?error, "could not ask what the user may do");
            Ok(None)
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}
