//! How many tasks are in which state.

use std::ops::Bound;

use docket_core::{LaneCounts, Timestamp};

use super::Table;
use super::lane::{Kind, Lane};
use super::line::Line;
use super::record::Seq;

impl Table {
    pub(crate) fn counts(&self, now: Timestamp) -> Vec<LaneCounts> {
        self.indexes.lanes.iter().map(|(_, lane)| count(lane, now)).collect()
    }
}

fn count(lane: &Lane, now: Timestamp) -> LaneCounts {
    let mut counts = LaneCounts {
        completed: lane.finished.completed,
        dead: lane.finished.dead,
        cancelled: lane.finished.cancelled,
        ..LaneCounts::empty(lane.id.queue.clone(), lane.id.name.clone())
    };
    for lines in Kind::ALL.map(|kind| lane.lines(kind)) {
        let (ready, scheduled) = split(&lines.queued, now);
        // A lease that ran out is ready again.
        let (lost, running) = split(&lines.leased, now);
        counts.ready += ready + lost;
        counts.scheduled += scheduled;
        counts.running += running;
        counts.moving += lines.moving.len() as u64;
        let oldest = lines.head_at().filter(|at| *at <= now).map(|at| now.since(at));
        counts.oldest_ready = counts.oldest_ready.max(oldest);
    }
    counts
}

/// How many of a line are visible, and how many are not yet.
fn split(line: &Line, now: Timestamp) -> (u64, u64) {
    let later = line.count_after(Bound::Excluded((now, Seq(u64::MAX))));
    ((line.len() - later) as u64, later as u64)
}
