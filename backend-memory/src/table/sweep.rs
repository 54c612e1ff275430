//! Leased and late → one crash, and then the next state.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use docket_core::words::CRASH_LIMIT;
use docket_core::{Limited, Swept, Timestamp, limits};

use super::Table;
use super::asked::{Asked, RankedLane};
use super::lane::{Kind, head};
use super::life::Moment;
use super::line::Line;
use super::record::{Phase, Record};
use super::slots::Slot;

impl Table {
    /// Counts the crashes of late leases in `lanes`, oldest deadline first, a bounded number a call.
    pub(super) fn sweep(&mut self, asked: &Asked, lanes: &[RankedLane], now: Timestamp, swept: &mut Swept) {
        self.sweep_late(lanes, now, |record| asked.max_crashes(record), swept);
    }

    /// As [`Table::sweep`], for a worker of any name with the usual limit.
    pub(super) fn sweep_all(&mut self, lanes: &[RankedLane], now: Timestamp) -> Swept {
        let mut swept = Swept::default();
        let max_crashes = |record: &Record| record.work.overrides.max_crashes.unwrap_or(limits::CRASHES_MAX);
        self.sweep_late(lanes, now, max_crashes, &mut swept);
        swept
    }

    fn sweep_late(
        &mut self,
        lanes: &[RankedLane],
        now: Timestamp,
        max_crashes: impl Fn(&Record) -> u32,
        swept: &mut Swept,
    ) {
        for slot in self.late(lanes, now) {
            let limited = limited(&self.records[slot]);
            let last = self.change(slot, now, |record, moment| record.crash(max_crashes(record), moment));
            swept.crashed += 1;
            if last == Last::Yes {
                swept.limited.push(limited);
            }
        }
    }

    fn late(&self, lanes: &[RankedLane], now: Timestamp) -> Vec<Slot> {
        let leased = lanes
            .iter()
            .flat_map(|(_, no)| Kind::ALL.map(|kind| &self.indexes.lanes[*no].lines(kind).leased))
            .filter(|line| head(line).is_some_and(|(deadline, _)| deadline <= now));
        let mut iters: Vec<_> = leased.map(Line::iter).collect();
        let mut heads = BinaryHeap::new();
        for (n, iter) in iters.iter_mut().enumerate() {
            heads.extend(iter.next().map(|(place, slot)| Reverse((place, n, slot))));
        }
        let mut late = Vec::new();
        while late.len() < limits::TRIM_ITEMS_MAX
            && let Some(Reverse(((deadline, _), n, slot))) = heads.pop()
            && deadline <= now
        {
            late.push(slot);
            heads.extend(iters[n].next().map(|(place, slot)| Reverse((place, n, slot))));
        }
        late
    }
}

/// Whether the task has reached its crash limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Last {
    Yes,
    No,
}

/// The report if this is its last crash: the record may be its successor afterwards.
fn limited(record: &Record) -> Limited {
    Limited {
        key: record.key.clone(),
        name: record.work.lane.name.clone(),
        attempts: record.attempts,
        repeats: record.work.every.is_some(),
    }
}

impl Record {
    /// One lease expired unsettled. The crash is counted when a lease call finds it, not when the
    /// lease expires: no process counts it then.
    fn crash(&mut self, max_crashes: u32, moment: &mut Moment<'_>) -> Last {
        self.crashes += 1;
        if self.cancelling {
            self.finish(Phase::Cancelled, limits::RETENTION, moment);
            return Last::No;
        }
        if self.crashes < max_crashes {
            self.lost(moment);
            return Last::No;
        }
        if let Some(every) = self.work.every {
            self.crashed_in_a_row += 1;
            let at = moment.now.plus(crash_wait(every, self.crashed_in_a_row));
            self.next(at, Some(CRASH_LIMIT.to_owned()), moment);
        } else {
            self.error = Some(CRASH_LIMIT.to_owned());
            self.finish(Phase::Dead, limits::RETENTION, moment);
        }
        Last::Yes
    }
}

/// Twice as long for each occurrence in a row that ended at the crash limit, up to a day or the interval itself.
fn crash_wait(every: Duration, in_a_row: u32) -> Duration {
    every.saturating_mul(1 << in_a_row.min(31)).min(limits::CRASH_WAIT_MAX.max(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periodic_task_that_keeps_crashing_waits_up_to_a_day_or_its_interval() {
        let minute = Duration::from_secs(60);
        assert_eq!(crash_wait(minute, 1), 2 * minute);
        assert_eq!(crash_wait(minute, 3), 8 * minute);
        assert_eq!(crash_wait(minute, 40), limits::CRASH_WAIT_MAX);
        assert_eq!(crash_wait(3 * limits::CRASH_WAIT_MAX, 2), 3 * limits::CRASH_WAIT_MAX);
    }
}
