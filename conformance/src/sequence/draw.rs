//! How sequences are drawn: few keys, names and queues, so that everything meets everything.

use std::time::Duration;

use docket_core::{LeaseOrder, LeaseSuspects};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::op::{Asking, Call, End, Ending, Fate, Item, Op, Said, Step, Time};

/// The longest sequence. A failing one is cut down to the few steps it takes.
const STEPS_MAX: usize = 60;

/// Any sequence.
pub(super) fn sequence() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..STEPS_MAX)
}

fn op() -> impl Strategy<Value = Op> {
    let fate = prop_oneof![8 => Just(Fate::Answered), 2 => Just(Fate::ReplyLost), 1 => Just(Fate::Delayed)];
    prop_oneof![
        12 => (call(), fate).prop_map(|(call, fate)| Op::Send { call, fate }),
        3 => (0_usize..6).prop_map(|back| Op::Again { back }),
        4 => step().prop_map(Op::Advance),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        40 => vec(item(), 1..4).prop_map(Call::Add),
        25 => vec(item(), 1..3).prop_map(Call::Schedule),
        60 => asking().prop_map(Call::Lease),
        15 => (0_usize..2, vec(0_usize..6, 1..4)).prop_map(|(worker, tokens)| Call::Heartbeat { worker, tokens }),
        50 => vec(ending(), 1..4).prop_map(Call::Ack),
        15 => (0_usize..5).prop_map(|key| Call::Cancel { key }),
        15 => (0_usize..5).prop_map(|key| Call::Requeue { key }),
        8 => (0_usize..5, prop_oneof![9 => Just(0_usize), 1 => Just(1)])
            .prop_map(|(limit, place)| Call::TakeOut { limit, place }),
        24 => (stage(), vec(0_usize..5, 1..4)).prop_map(|(step, parcels)| Call::Move { step, parcels }),
        1 => Just(Call::Clear),
    ]
}

fn stage() -> impl Strategy<Value = Step> {
    select(vec![Step::TakeIn, Step::TakeIn, Step::TurnAway, Step::LetGo, Step::LetGo, Step::PutBack])
}

fn item() -> impl Strategy<Value = Item> {
    let every = prop::option::weighted(0.25, select(vec![seconds(5), seconds(3_600), seconds(100_000)]));
    let limit = || prop::option::weighted(0.3, 1_u32..4);
    (0_usize..5, 0_usize..2, 0_usize..2, time(), every, any::<bool>(), limit(), limit()).prop_map(
        |(key, name, queue, time, every, declared, max_attempts, max_crashes)| Item {
            // Few keys and one name, so that many meet.
            key: if declared && every.is_some() { key % 2 } else { key },
            name: if declared && every.is_some() { 0 } else { name },
            queue,
            time,
            every,
            declared,
            max_attempts,
            max_crashes,
        },
    )
}

fn asking() -> impl Strategy<Value = Asking> {
    let suspects = prop_oneof![3 => Just(LeaseSuspects::Allow), 1 => Just(LeaseSuspects::Avoid)];
    let order = prop_oneof![3 => Just(LeaseOrder::Precedence), 1 => Just(LeaseOrder::Earliest)];
    let lease = select(vec![seconds(10), seconds(10), Duration::from_millis(2_500)]);
    (0_usize..2, 1_usize..5, 0_usize..8, 0_usize..6, 1_u32..5, suspects, lease, order).prop_map(
        |(worker, count, names, queues, max_crashes, suspects, lease, order)| Asking {
            worker,
            count,
            names,
            queues,
            max_crashes,
            suspects,
            lease,
            order,
        },
    )
}

fn ending() -> impl Strategy<Value = Ending> {
    let retention = select(vec![seconds(600), seconds(600), seconds(3), Duration::ZERO]);
    (0_usize..5, end(), 1_u32..4, retention).prop_map(|(token, outcome, max_attempts, retention)| Ending {
        token,
        outcome,
        max_attempts,
        retention,
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => said().prop_map(End::Completed),
        1 => Just(End::Unkept),
        3 => delay().prop_map(End::Retry),
        1 => delay().prop_map(End::Snooze),
        2 => delay().prop_map(End::Undecodable),
        2 => Just(End::Release),
        1 => Just(End::Dead),
        2 => (time(), said()).prop_map(|(time, said)| End::Repeat(time, said)),
        1 => Just(End::Cancelled),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![Just(Said::Nothing), Just(Said::Something)]
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        4 => Just(Time::Now),
        2 => delay().prop_map(Time::In),
        1 => delay().prop_map(Time::After),
        1 => delay().prop_map(Time::Before),
    ]
}

fn delay() -> impl Strategy<Value = Duration> {
    select(vec![Duration::ZERO, Duration::from_micros(1), seconds(1), seconds(12), seconds(40)])
}

/// Within a lease, to its very end, past it, past a retention, past that of the dead.
fn step() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => select(vec![Duration::from_micros(1), Duration::from_millis(900), seconds(3)]),
        6 => select(vec![seconds(10), seconds(11), Duration::from_millis(2_500)]),
        2 => select(vec![seconds(45), seconds(601)]),
        1 => select(vec![seconds(100_000), seconds(15 * 86_400)]),
    ]
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
