//! Reports how this store can lose or delay tasks.

use docket_core::{Finding, Severity};

use crate::Options;
use crate::table::Table;

/// From this share of `max_tasks` on, adds may soon be refused.
const NEARLY_FULL_PERCENT: usize = 80;

pub(crate) fn findings(table: &Table, options: &Options) -> Vec<Finding> {
    let durability = Finding {
        severity: Severity::Warning,
        subject: "durability".to_owned(),
        found: "off: tasks live in this process and are lost when it ends".to_owned(),
        advice: "set DOCKET_URL to a store that outlives the process".to_owned(),
    };
    vec![durability, room(table.unfinished_len(), options.max_tasks)]
}

fn room(unfinished: usize, max_tasks: usize) -> Finding {
    let nearly_full = unfinished >= max_tasks / 100 * NEARLY_FULL_PERCENT;
    Finding {
        severity: if nearly_full { Severity::Warning } else { Severity::Ok },
        subject: "room".to_owned(),
        found: format!("{unfinished} unfinished tasks of at most {max_tasks}"),
        advice: if nearly_full { "run more workers, or raise max_tasks".to_owned() } else { String::new() },
    }
}
