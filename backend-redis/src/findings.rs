//! Findings about a server, from its own report.

use std::collections::BTreeMap;

use docket_core::{Finding, Severity};

use crate::control::LAYOUT;

/// The oldest server with the blocking reads and scripts that we need.
const VERSION_MIN: (u32, u32) = (6, 2);

/// The server's facts, by the names of its own report.
#[derive(Debug, Default)]
pub(crate) struct Facts(pub(crate) BTreeMap<String, String>);

impl Facts {
    pub(crate) fn read(info: &str) -> Self {
        let pairs = info.lines().filter_map(|line| line.trim().split_once(':'));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Its value; empty if the server hides it.
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

pub(crate) const POLICY: &str = "maxmemory-policy";
pub(crate) const ROLE: &str = "role";
pub(crate) const LAYOUT_OF_DOCKET: &str = "layout";

/// One finding per subject, good ones too.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    vec![version(facts), policy(facts), persistence(facts), writing(facts), role(facts), cluster(facts)]
}

fn finding(severity: Severity, subject: &str, found: impl Into<String>, advice: &str) -> Finding {
    Finding { severity, subject: subject.to_owned(), found: found.into(), advice: advice.to_owned() }
}

/// `found`: the layout of the docket, if it has one yet.
pub(crate) fn judge_layout(found: Option<&str>) -> Finding {
    match found {
        Some(other) if other != LAYOUT.to_string() => {
            let said = format!("{other}, and this build reads {LAYOUT}");
            finding(Severity::Danger, LAYOUT_OF_DOCKET, said, "use a matching build")
        }
        _ => finding(Severity::Ok, LAYOUT_OF_DOCKET, LAYOUT.to_string(), ""),
    }
}

fn version(facts: &Facts) -> Finding {
    let text = facts.get("redis_version");
    let mut numbers = text.split('.').map(|number| number.parse::<u32>().ok());
    let shown = match facts.get("valkey_version") {
        "" => format!("Redis {text}"),
        valkey => format!("Valkey {valkey}"),
    };
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= VERSION_MIN => finding(Severity::Ok, "version", shown, ""),
        (Some(_), Some(_)) => finding(Severity::Danger, "version", shown, "use Redis 6.2 or later, or Valkey"),
        _ => finding(Severity::Warning, "version", "unknown", "make sure that it is at least that of Redis 6.2"),
    }
}

fn policy(facts: &Facts) -> Finding {
    match facts.get("maxmemory_policy") {
        "noeviction" => finding(Severity::Ok, POLICY, "noeviction", ""),
        "" => {
            finding(Severity::Warning, POLICY, "unknown", "make sure that it is noeviction: another one deletes tasks")
        }
        evicting => finding(
            Severity::Danger,
            POLICY,
            evicting,
            "when memory is short the server deletes keys, and tasks with them; set maxmemory-policy noeviction, or \
             accept it with Options::accept_eviction",
        ),
    }
}

fn persistence(facts: &Facts) -> Finding {
    let subject = "persistence";
    match (facts.get("aof_enabled"), facts.get("appendfsync"), facts.get("save")) {
        ("1", "always", _) => finding(Severity::Ok, subject, "append-only file, every write", ""),
        ("1", "no", _) => finding(
            Severity::Warning,
            subject,
            "append-only file, written when the system decides to",
            "a crash of the machine loses the last half minute; set appendfsync everysec",
        ),
        ("1", ..) => finding(Severity::Ok, subject, "append-only file, every second", ""),
        ("0", _, "") if facts.0.contains_key("save") => {
            finding(Severity::Warning, subject, "none", "a restart of the server loses every task; set appendonly yes")
        }
        ("0", ..) => finding(
            Severity::Warning,
            subject,
            "snapshots only",
            "a crash loses what was added since the last snapshot; set appendonly yes",
        ),
        _ => finding(Severity::Warning, subject, "unknown", "make sure that the server keeps an append-only file"),
    }
}

fn writing(facts: &Facts) -> Finding {
    if facts.0.is_empty() {
        return finding(Severity::Warning, "disk", "unknown", "allow INFO, or make sure that the server can write");
    }
    let failed = ["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"]
        .into_iter()
        .find(|name| facts.get(name) == "err");
    match failed {
        Some(name) => finding(Severity::Warning, "disk", format!("{name} is err"), "check the server's disk and log"),
        None => finding(Severity::Ok, "disk", "the latest writes went well", ""),
    }
}

fn role(facts: &Facts) -> Finding {
    match facts.get("role") {
        "master" => finding(Severity::Ok, ROLE, "primary", ""),
        "slave" => finding(Severity::Danger, ROLE, "read-only copy", "point the URL at the primary"),
        _ => finding(Severity::Warning, ROLE, "unknown", "make sure that the URL names the primary"),
    }
}

pub(crate) fn permissions(denied: Option<&[String]>) -> Finding {
    let subject = "permissions";
    let advice = "a script that is denied a command stops half-way; allow it";
    match denied {
        Some([]) => finding(Severity::Ok, subject, "all that is needed", ""),
        Some(commands) => finding(Severity::Danger, subject, format!("no {}", commands.join(", ")), advice),
        None => finding(Severity::Warning, subject, "unknown", "look again once the server answers"),
    }
}

fn cluster(facts: &Facts) -> Finding {
    if facts.get("cluster_enabled") == "1" {
        let advice = "a docket lives on one node, and redirections are not followed; use a single primary";
        return finding(Severity::Warning, "cluster", "on", advice);
    }
    let found = if facts.0.is_empty() { "unknown" } else { "off" };
    finding(Severity::Ok, "cluster", found, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n\
                         aof_last_write_status:ok\r\nrole:master\r\ncluster_enabled:0\r\n";

    fn facts(changes: &[(&str, &str)]) -> Facts {
        let mut facts = Facts::read(SOUND);
        facts.0.insert("appendfsync".into(), "everysec".into());
        for (name, value) in changes {
            facts.0.insert((*name).into(), (*value).into());
        }
        facts
    }

    #[test]
    fn a_sound_server_has_nothing_but_good_findings() {
        assert!(judge(&facts(&[])).iter().all(|finding| finding.severity == Severity::Ok && finding.advice.is_empty()));
    }

    #[test]
    fn what_can_lose_tasks_is_found_and_comes_with_advice() {
        use Severity::{Danger, Warning};
        for (changes, subject, severity, found) in [
            (&[("redis_version", "6.0.16")][..], "version", Danger, "Redis 6.0.16"),
            (&[("redis_version", "")], "version", Warning, "unknown"),
            (&[("maxmemory_policy", "allkeys-lru")], POLICY, Danger, "allkeys-lru"),
            (&[("maxmemory_policy", "volatile-ttl")], POLICY, Danger, "volatile-ttl"),
            (&[("maxmemory_policy", "")], POLICY, Warning, "unknown"),
            (&[("appendfsync", "no")], "persistence", Warning, "append-only file, written when the system decides to"),
            (&[("aof_enabled", "0"), ("save", "3600 1")], "persistence", Warning, "snapshots only"),
            (&[("aof_enabled", "0"), ("save", "")], "persistence", Warning, "none"),
            (&[("aof_enabled", "0")], "persistence", Warning, "snapshots only"),
            (&[("aof_enabled", "")], "persistence", Warning, "unknown"),
            (&[("rdb_last_bgsave_status", "err")], "disk", Warning, "rdb_last_bgsave_status is err"),
            (&[("role", "slave")], "role", Danger, "read-only copy"),
            (&[("cluster_enabled", "1")], "cluster", Warning, "on"),
        ] {
            let findings = judge(&facts(changes));
            let bad: Vec<_> = findings.iter().filter(|finding| finding.severity != Severity::Ok).collect();
            assert_eq!(bad.len(), 1, "{changes:?}: {bad:?}");
            assert_eq!((bad[0].subject.as_str(), bad[0].severity, bad[0].found.as_str()), (subject, severity, found));
            assert!(!bad[0].advice.is_empty(), "{changes:?}");
        }
    }

    #[test]
    fn another_kind_of_server_is_named_by_its_own_version() {
        let finding = version(&facts(&[("redis_version", "7.2.4"), ("valkey_version", "9.1.2")]));
        assert_eq!((finding.severity, finding.found.as_str()), (Severity::Ok, "Valkey 9.1.2"));
    }
}
