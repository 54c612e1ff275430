//! The answers of a store that answers in words, as its scripts and functions do: one vocabulary
//! for all of them.

use crate::contract::{
    AckAnswer, AddAnswer, Arrival, CancelAnswer, Declared, Error, ErrorKind, Existing, HeartbeatAnswer, RequeueAnswer,
    Result, ScheduleAnswer, TaskState,
};

/// Why a call must wait for the end of a move.
pub const MOVING: &str = "its task is being moved to another store; try again in a moment";
/// Why a call is too late for a task that was moved.
pub const ELSEWHERE: &str = "its task was moved to another store; ask there";

/// The start of the error of a task that was moved to another store.
pub const MOVED_TO: &str = "moved to ";
/// The error of a task that reached its crash limit.
pub const CRASH_LIMIT: &str = "its lease ran out too often";
/// Why the clock cannot be settled.
pub const LEASED: &str =
    "a task is leased, and the clock is settled while nothing runs; stop the workers, or wait for them";
/// Why a time is refused.
pub const TOO_FAR: &str =
    "its time is more than 3650 days away, and no task can be put that far off (limits::DELAY_MAX)";

/// The refusal of a time beyond [`crate::limits::DELAY_MAX`].
pub fn too_far(operation: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TooLarge, operation, TOO_FAR)
}

/// The meaning of one word: a backend whose store answers in words reads them all through this.
///
/// # Errors
///
/// `Corrupt` for `corrupt`, a record that the store cannot read; `Unavailable` for `busy`, a record
/// that another transaction has locked, and for `moving`; `Conflict` for `elsewhere`, a task that
/// was moved to another store; `TooLarge` for `toofar`, a time beyond [`crate::limits::DELAY_MAX`];
/// `Invalid` for an add id that was used by another kind of call; `Internal` for an unknown word.
pub fn meaning<A>(word: &str, operation: &'static str, read: fn(&str) -> Option<A>) -> Result<A> {
    read(word).ok_or_else(|| match word {
        "corrupt" => {
            let message = "the record of this key cannot be read; it was left as it is";
            Error::new(ErrorKind::Corrupt, operation, message)
        }
        "busy" => {
            let message = "another transaction holds the task of this key and has not ended; try again";
            Error::new(ErrorKind::Unavailable, operation, message)
        }
        "moving" => Error::new(ErrorKind::Unavailable, operation, MOVING),
        "elsewhere" => Error::new(ErrorKind::Conflict, operation, ELSEWHERE),
        "toofar" => too_far(operation),
        "added" | "placed" | "moved" | "follows" | "redefined" => {
            Error::invalid(operation, "its add id was used by another kind of call; each call has an id of its own")
        }
        _ => Error::new(ErrorKind::Internal, operation, format!("the store answered {word:?}")),
    })
}

/// `added`, `exists:STATE` or `exists:cancelling`; for a declaration also `declared:FAILURES`,
/// `superseded:FAILURES`, `redefined` or `taken`.
pub fn add_answer(word: &str) -> Option<AddAnswer> {
    match word {
        "added" | "placed" => Some(AddAnswer::Added),
        _ => declared(word).map(AddAnswer::Declared).or_else(|| existing(word).map(AddAnswer::Exists)),
    }
}

fn declared(word: &str) -> Option<Declared> {
    match (word, word.split_once(':')) {
        ("redefined", _) => Some(Declared::Redefined),
        ("taken", _) => Some(Declared::Taken),
        (_, Some(("declared", failures))) => Some(Declared::InForce { failures: failures.parse().ok()? }),
        (_, Some(("superseded", failures))) => Some(Declared::Superseded { failures: failures.parse().ok()? }),
        _ => None,
    }
}

/// `placed`, `moved` or `follows`.
pub fn schedule_answer(word: &str) -> Option<ScheduleAnswer> {
    match word {
        "placed" | "added" => Some(ScheduleAnswer::Placed),
        "moved" => Some(ScheduleAnswer::Moved),
        "follows" => Some(ScheduleAnswer::Follows),
        _ => None,
    }
}

/// `held`, `lost` or `cancelled`.
pub fn heartbeat_answer(word: &str) -> Option<HeartbeatAnswer> {
    match word {
        "held" => Some(HeartbeatAnswer::Held),
        "lost" => Some(HeartbeatAnswer::Lost),
        "cancelled" => Some(HeartbeatAnswer::Cancelled),
        _ => None,
    }
}

/// `settled` or `stale`.
pub fn ack_answer(word: &str) -> Option<AckAnswer> {
    match word {
        "settled" => Some(AckAnswer::Settled),
        "stale" => Some(AckAnswer::Stale),
        _ => None,
    }
}

/// `cancelled`, `cancelling`, `notfound` or `finished:STATE`.
pub fn cancel_answer(word: &str) -> Option<CancelAnswer> {
    match word {
        "cancelled" => Some(CancelAnswer::Cancelled),
        "cancelling" => Some(CancelAnswer::Cancelling),
        "notfound" => Some(CancelAnswer::NotFound),
        _ => state(word.strip_prefix("finished:")?).map(CancelAnswer::Finished),
    }
}

/// `requeued`, `notfound`, `exists:STATE` or `exists:cancelling`.
pub fn requeue_answer(word: &str) -> Option<RequeueAnswer> {
    match word {
        "requeued" => Some(RequeueAnswer::Requeued),
        "notfound" => Some(RequeueAnswer::NotFound),
        _ => existing(word).map(RequeueAnswer::Exists),
    }
}

/// `arrived`, `arrived:moved`, `arrived:follows`, `superseded` or `turnedaway`.
pub fn arrival(word: &str) -> Option<Arrival> {
    match word {
        "arrived" => Some(Arrival::Placed),
        "arrived:moved" => Some(Arrival::Moved),
        "arrived:follows" => Some(Arrival::Follows),
        "superseded" => Some(Arrival::Superseded),
        "turnedaway" => Some(Arrival::TurnedAway),
        _ => None,
    }
}

fn existing(word: &str) -> Option<Existing> {
    match word.strip_prefix("exists:")? {
        "cancelling" => Some(Existing::Cancelling),
        word => state(word).map(Existing::In),
    }
}

/// A state by its word.
pub fn state(word: &str) -> Option<TaskState> {
    TaskState::ALL.into_iter().find(|state| state.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back() {
        for state in TaskState::ALL {
            assert_eq!(add_answer(&format!("exists:{state}")), Some(AddAnswer::Exists(Existing::In(state))));
            assert_eq!(cancel_answer(&format!("finished:{state}")), Some(CancelAnswer::Finished(state)));
        }
        let declared = |word| add_answer(word).expect("a word of a declaration");
        assert_eq!(declared("declared:3"), AddAnswer::Declared(Declared::InForce { failures: 3 }));
        assert_eq!(declared("superseded:0"), AddAnswer::Declared(Declared::Superseded { failures: 0 }));
        assert_eq!(declared("redefined"), AddAnswer::Declared(Declared::Redefined));
        assert_eq!((add_answer("declared:"), add_answer("superseded")), (None, None));
        assert_eq!(requeue_answer("exists:cancelling"), Some(RequeueAnswer::Exists(Existing::Cancelling)));
    }

    #[test]
    fn a_word_nobody_knows_is_an_error_and_never_a_guess() {
        assert_eq!(meaning("maybe", "x", ack_answer).unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(meaning("corrupt", "x", ack_answer).unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(meaning("busy", "x", ack_answer).unwrap_err().is_retryable());
        assert_eq!(meaning("moved", "x", add_answer).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(meaning("moving", "x", schedule_answer).unwrap_err().is_retryable());
        assert_eq!(meaning("toofar", "x", add_answer).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(meaning("elsewhere", "x", cancel_answer).unwrap_err().kind(), ErrorKind::Conflict);
    }
}
