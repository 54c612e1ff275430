//! `docket doctor`.

use docket::{Finding, Severity};
use serde_json::json;

use crate::args::{Format, Place};
use crate::end::{End, Outcome};
use crate::output;
use crate::place::Accept;

/// Reports on the store; fails if any setting can lose tasks.
pub(crate) async fn doctor(place: &Place, format: Format) -> Outcome {
    let docket = place.open(Accept::Any).await?;
    let facts = docket.store().capabilities();
    let mut findings = docket.store().examine().await?;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let bad = findings.iter().filter(|finding| finding.severity > Severity::Ok).count();
    if format.json {
        output::json(&json!({
            "docket": facts.docket,
            "scheme": facts.scheme,
            "durable": facts.durable,
            "shared": facts.shared,
            "ok": bad == 0,
            "findings": findings,
        }))?;
    } else {
        output::line(&format!("docket {} on {}", facts.docket, facts.scheme))?;
        let rows: Vec<_> = findings.into_iter().map(row).collect();
        output::table(["severity", "subject", "found", "advice"], &rows)?;
    }
    if bad > 0 { Err(End::failed(format!("{bad} of these can lose or delay tasks"))) } else { Ok(()) }
}

fn row(finding: Finding) -> [String; 4] {
    let severity = match finding.severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Danger => "danger",
    };
    [severity.to_owned(), finding.subject, finding.found, finding.advice]
}
