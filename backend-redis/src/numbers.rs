//! The numbers that scripts use by name: positions in lists, codes, limits. Limits come from
//! `docket_core::limits`, so that the two cannot differ.

use std::collections::BTreeMap;

use docket_core::{limits, micros};

use crate::control::LAYOUT;
use crate::wait::LEFT_ALONE_MAX;

/// The positions of a record's list; see record.lua.
const FIELDS: [&str; 30] = [
    // Notes of the script that holds the record.
    "KEY",
    "AT",
    "AT_SCORE",
    "AT_MEMBER",
    "AT_COUNT",
    "AT_BYTES",
    "KEPT",
    "GONE",
    "RAW",
    "APART",
    "SETTLED",
    "CANCELLING",
    "MORE",
    "REST",
    // Order matters: from here on as in LIVED_AS.
    "FORM",
    "STATE",
    "FLAGS",
    "SEQ",
    "VISIBLE",
    "DUE",
    "ADDED",
    "LEASED_AT",
    "EXPIRES",
    "FENCE",
    "ARGS_BYTES",
    "CALLS",
    "REQUEST",
    "LANE",
    "WORKER",
    "NEXT",
];

/// The most bytes of a payload within its record.
pub(crate) const INLINE_MAX: u16 = 1_024;

/// Microseconds between the polls of two waiters for the same task.
pub(crate) const STANDBY: i64 = 400_000;

/// Numbers that only scripts use.
const NUMBERS: [(&str, i64); 52] = [
    ("CHUNK", 500),
    ("LAYOUT", LAYOUT),
    // How many waiters are armed for one due time, and the delay of each after the one before.
    ("RANKS", 3),
    ("STANDBY", STANDBY),
    ("FAR", (1 << 53) - 1),
    // Microseconds: the smallest step of the server's clock that is counted.
    ("STEP_MIN", 1_000_000),
    ("INLINE_MAX", INLINE_MAX as i64),
    ("ITEM_ARGS", 3),
    ("SEQ_BYTES", 6),
    ("ID_BYTES", 16),
    ("CALL_BYTES", 17),
    ("DECLARED_BYTES", 23),
    ("ABSENT", 0),
    ("UNREADABLE", 1),
    // Kinds of time, as in an item or an ack.
    ("RUN_NOW", 0),
    ("RUN_IN", 1),
    ("RUN_AT", 2),
    // Forms of a record.
    ("FRESH_NOW", 1),
    ("FRESH_LATER", 2),
    ("LIVED", 3),
    // States, in the order of STATES.
    ("QUEUED", 1),
    ("LEASED", 2),
    ("COMPLETED", 3),
    ("DEAD", 4),
    ("CANCELLED", 5),
    ("MOVING", 6),
    // Flags of a lived record; WITH_MORE is the largest.
    ("WITH_CANCELLING", 1),
    ("WITH_ERROR", 2),
    ("WITH_RESULT", 4),
    ("WITH_ARGS_APART", 8),
    ("WITH_RESULT_APART", 16),
    ("WITH_SETTLED", 32),
    ("WITH_MORE", 64),
    // Outcomes, as in an ack.
    ("ACK_COMPLETED", 1),
    ("ACK_RETRY", 2),
    ("ACK_SNOOZE", 3),
    ("ACK_RELEASE", 4),
    ("ACK_DEAD", 5),
    ("ACK_REPEAT", 6),
    ("ACK_CANCELLED", 7),
    ("ACK_UNDECODABLE", 8),
    ("ACK_UNKEPT", 9),
    // Positions of an ack's list.
    ("ACK_TEXT", 1),
    ("ACK_OUTCOME", 2),
    ("ACK_KIND", 3),
    ("ACK_MICROS", 4),
    ("ACK_FENCE", 5),
    ("ACK_ATTEMPTS_MAX", 6),
    ("ACK_RETENTION", 7),
    ("ACK_WITH_TEXT", 8),
    ("ACK_REQUEST", 9),
    ("ACK_KEY", 10),
];

/// The text with numbers in place of their names: a variable would cost the server more, and a
/// script may have at most 200.
pub(crate) fn with_numbers(text: &str) -> String {
    let mut numbers = BTreeMap::from(limits());
    numbers.extend(NUMBERS);
    numbers.extend(FIELDS.into_iter().zip(1..));
    let mut whole = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        match numbers.get(word) {
            Some(number) => whole.push_str(&number.to_string()),
            None => whole.push_str(word),
        }
        whole.push_str(&piece[word.len()..]);
    }
    whole
}

fn limits() -> [(&'static str, i64); 17] {
    [
        ("SUSPECT_CRASHES", i64::from(limits::SUSPECT_CRASHES)),
        ("CRASHES_MAX_DEFAULT", i64::from(limits::CRASHES_MAX)),
        ("CALL_IDS_MAX", whole(limits::CALL_IDS_MAX)),
        ("DEFINITIONS_MAX", whole(limits::DEFINITIONS_MAX)),
        ("TRIM_ITEMS_MAX", whole(limits::TRIM_ITEMS_MAX)),
        ("FINISHED_MAX", whole(limits::FINISHED_MAX)),
        ("DEAD_MAX", whole(limits::DEAD_MAX)),
        ("FINISHED_BYTES_MAX", whole(limits::FINISHED_BYTES_MAX)),
        ("DEAD_BYTES_MAX", whole(limits::DEAD_BYTES_MAX)),
        ("KEPT_BYTES_MIN", whole(limits::KEPT_BYTES_MIN)),
        ("BATCH_BYTES_MAX", whole(limits::BATCH_BYTES_MAX)),
        ("RETENTION", micros(limits::RETENTION)),
        ("DEAD_RETENTION", micros(limits::DEAD_RETENTION)),
        ("CRASH_WAIT_MAX", micros(limits::CRASH_WAIT_MAX)),
        ("REQUEST_MEMORY", micros(limits::REQUEST_MEMORY)),
        ("DELAY_MAX", micros(limits::DELAY_MAX)),
        ("LEFT_ALONE_MAX", micros(LEFT_ALONE_MAX)),
    ]
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_numbers() {
        let text = with_numbers("rec[KEY], STATES[rec[STATE]], KEYS[1], MY_KEY -- AT\nif x == DEAD then");
        assert_eq!(text, "rec[1], STATES[rec[16]], KEYS[1], MY_KEY -- 2\nif x == 4 then");
    }

    #[test]
    fn no_name_has_two_numbers() {
        let mut names: Vec<_> = limits().into_iter().chain(NUMBERS).map(|(name, _)| name).chain(FIELDS).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
}
