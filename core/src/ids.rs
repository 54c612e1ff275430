//! Identities: checked when made, so that no store ever sees a bad one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, Result, limits};

/// Declares a checked, cheaply cloned text identity.
macro_rules! text_id {
    ($(#[$doc:meta])* $type:ident, $what:literal, $bytes_max:expr, $allowed:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and wraps `text`; the error names the rule that was broken.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $bytes_max || !text.chars().all(allowed) {
                    return Err(Error::invalid_value($what, text, format!(concat!($rule, ", 1 to {} bytes"), $bytes_max)));
                }
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-')
}

text_id!(
    /// A task's identity in its docket. Given by the caller, or a UUIDv7 made by the client before sending, so that
    /// adding twice is harmless.
    Key, "key", limits::KEY_BYTES_MAX, |c| !c.is_control(), "any text without control characters"
);
text_id!(
    /// A task type, e.g. `scan_copyright`.
    Name, "task name", limits::NAME_BYTES_MAX, is_name_char, "letters, digits and _ . : / -"
);
text_id!(
    /// A lane inside a docket; workers list the queues they serve in order of precedence.
    Queue, "queue name", limits::NAME_BYTES_MAX, is_name_char, "letters, digits and _ . : / -"
);
text_id!(
    /// One run of one worker: unique per start, never reused.
    WorkerId, "worker id", limits::NAME_BYTES_MAX, is_name_char, "letters, digits and _ . : / -"
);
text_id!(
    /// A namespace in a store: tasks of different dockets never meet.
    DocketName, "docket name", limits::DOCKET_NAME_BYTES_MAX,
    |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'), "letters, digits and _ . - (no braces)"
);

impl Key {
    /// A key nobody else has: a UUIDv7, which also sorts by time of making.
    pub fn unique() -> Self {
        let mut text = Uuid::encode_buffer();
        Self(Arc::from(&*Uuid::now_v7().hyphenated().encode_lower(&mut text)))
    }
}

impl Default for Queue {
    /// The queue of a task that names none: `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

impl Default for DocketName {
    /// The docket of a process that names none: `plyr`.
    fn default() -> Self {
        Self("plyr".into())
    }
}

/// Declares the identity of one call, by which a store recognises its repetition.
macro_rules! call_id {
    ($(#[$doc:meta])* $type:ident, $unique:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Uuid);

        impl $type {
            /// A new call.
            pub fn unique() -> Self {
                Self($unique())
            }

            /// A call known elsewhere under this id.
            pub fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The id itself.
            pub fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.simple(), f)
            }
        }
    };
}

text_id!(
    /// Where the tasks of a docket move to, as people name it: the store without its password, and the docket.
    Destination, "destination", limits::DESTINATION_BYTES_MAX, |c| !c.is_control(), "any text without control characters"
);

call_id!(
    /// One `add` or `schedule` of one task; a repetition carries the same id.
    AddId, Uuid::new_v4
);
call_id!(
    /// One `lease`; a repetition carries the same id and gets the same leases. Sorts by time of making, as stores index it.
    RequestId, Uuid::now_v7
);
call_id!(
    /// One `cancel`; a repetition never hits a later life of the key.
    CancelId, Uuid::new_v4
);
call_id!(
    /// One taking out of tasks for a move; with the key it names one parcel.
    ParcelId, Uuid::new_v4
);

/// A number drawn for each lease: one more than the last of the docket, or the store's time in microseconds if that is
/// larger. It never goes back, whatever is trimmed, and a handler may use it to fence its own writes: a larger fence is
/// a later run.
///
/// # Assumptions
///
/// Fences also stay above earlier ones after a failover or a restore, unless the server's clock was set back by more
/// than the time that was lost. An outside system keeps the largest fence of each resource as 64 bits, refuses a
/// smaller one and accepts an equal one; if the clock was set back further, forget what it kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The proof of a lease. Only the current token of a key can heartbeat or settle it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Token {
    /// The task.
    pub key: Key,
    /// Which lease of the docket, in order.
    pub fence: Fence,
    /// The request that took it. Checked beside the fence, so that a store that went back in time (a fail-over to a
    /// copy that missed writes) cannot take an old token for a new one of the same number.
    pub lease: RequestId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docket_name_has_no_braces() {
        assert!(DocketName::new("a{b}").is_err());
        assert!(DocketName::new("plyr-stg").is_ok());
    }

    #[test]
    fn a_refused_name_is_named_with_its_rule() {
        let error = Name::new("send mail").unwrap_err().to_string();
        assert!(error.contains("send mail") && error.contains("letters, digits"), "{error}");
    }

    #[test]
    fn a_key_takes_any_text_up_to_its_bound() {
        assert!(Key::new("like:did:plc:ü/1").is_ok());
        assert!(Key::new("x".repeat(512)).is_ok());
        assert!(Key::new("x".repeat(513)).is_err());
        assert!(Key::new("a\nb").is_err());
        assert!(Key::new("").is_err());
    }
}
