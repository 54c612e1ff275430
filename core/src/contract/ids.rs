//! Identities: checked when created, so that no store ever gets an invalid one.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contract::{Error, Result, limits};

/// The text of an identity.
#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Declares a checked, cheaply cloned text identity.
macro_rules! text_id {
    ($(#[$doc:meta])* $type:ident, $what:literal, $bytes_max:expr, $allowed:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Text);

        impl $type {
            /// Checks and wraps `text`; the error names the rule it breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $bytes_max || !text.chars().all(allowed) {
                    return Err(Error::invalid_value($what, text, format!(concat!($rule, ", 1 to {} bytes"), $bytes_max)));
                }
                Ok(Self(Text::Shared(text.into())))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl TryFrom<&str> for $type {
            type Error = Error;
            fn try_from(text: &str) -> Result<Self> {
                Self::new(text)
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
                id.as_str().to_owned()
            }
        }
    };
}

const fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-')
}

text_id!(
    /// A task's identity in its docket. Given by the caller, or a UUIDv7 that the client creates
    /// before sending, so that adding twice is harmless.
    TaskKey, "key", limits::KEY_BYTES_MAX, |c| !c.is_control(), "any text without control characters"
);
text_id!(
    /// A task type, e.g. `scan_copyright`.
    TaskName, "task name", limits::NAME_BYTES_MAX, is_name_char, "letters, digits and _ . : / -"
);
text_id!(
    /// A queue of a docket; workers list the queues they serve in order of precedence.
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

impl TaskKey {
    /// A new, unique key: a UUIDv7, which also sorts by creation time.
    pub fn unique() -> Self {
        let mut text = Uuid::encode_buffer();
        Self(Text::Shared(Arc::from(&*Uuid::now_v7().hyphenated().encode_lower(&mut text))))
    }
}

impl Queue {
    /// The queue of this name, for policies: `queue: Queue::from_static("images")`.
    ///
    /// ```
    /// const IMAGES: docket_core::Queue = docket_core::Queue::from_static("images");
    /// # assert_eq!(IMAGES.as_str(), "images");
    /// ```
    ///
    /// ```compile_fail
    /// const IMAGES: docket_core::Queue = docket_core::Queue::from_static("two words");
    /// ```
    ///
    /// # Panics
    ///
    /// On a text that is no queue name; in a constant, as above, it does not compile.
    pub const fn from_static(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= limits::NAME_BYTES_MAX, "a queue name has 1 to 128 bytes");
        let mut at = 0;
        while at < bytes.len() {
            assert!(is_name_char(bytes[at] as char), "a queue name has letters, digits and _ . : / -");
            at += 1;
        }
        Self(Text::Static(text))
    }
}

impl Default for Queue {
    /// The queue of a task without one: `default`.
    fn default() -> Self {
        Self(Text::Static("default"))
    }
}

impl Default for DocketName {
    /// The docket of a process that names none: `default`.
    fn default() -> Self {
        Self(Text::Static("default"))
    }
}

/// Declares the identity of one call; a store recognises a repetition by it.
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

            /// A call that already has this id elsewhere.
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
    /// The destination of a move, for people: the store without its password, and the docket.
    Destination, "destination", limits::DESTINATION_BYTES_MAX, |c| !c.is_control(), "any text without control characters"
);

call_id!(
    /// One `add` or `schedule` of one task; a repetition carries the same id.
    AddId, Uuid::new_v4
);
call_id!(
    /// One `lease`; a repetition carries the same id and gets the same leases. Sorts by creation
    /// time, as stores index it.
    RequestId, Uuid::now_v7
);
call_id!(
    /// One `cancel`; a repetition never cancels a later life of the key.
    CancelId, Uuid::new_v4
);
call_id!(
    /// One export of tasks for a move; together with the key it identifies a parcel.
    ParcelId, Uuid::new_v4
);

/// A number drawn for each lease: one more than the last of the docket, or the store's time in
/// microseconds if that is larger. It never goes back, whatever is trimmed, and a handler may fence
/// its own writes with it: a larger fence is a later run.
///
/// # Assumptions
///
/// Fences also stay above earlier ones after a failover or a restore, unless the server's clock was
/// set back by more than the time that was lost. An outside system keeps the largest fence of each
/// resource as 64 bits, refuses a smaller one and accepts an equal one; if the clock was set back
/// further, delete the fences it kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Identifies a lease. Only the current token of a key can heartbeat or settle it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LeaseToken {
    /// The task.
    pub key: TaskKey,
    /// The number of the lease in the docket.
    pub fence: Fence,
    /// The request of the lease. Checked beside the fence, so that a store that went back in time
    /// (a failover to a lagging copy) cannot mistake an old token for a new one with the same
    /// fence.
    pub request: RequestId,
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
    fn a_constant_name_is_the_same_as_one_that_was_read() {
        let (constant, read) = (Queue::from_static("a.b"), Queue::new("a.b").unwrap());
        assert_eq!(constant, read);
        assert_eq!(std::collections::HashSet::from([constant, read]).len(), 1);
    }

    #[test]
    fn a_refused_name_is_named_with_its_rule() {
        let error = TaskName::new("send mail").unwrap_err().to_string();
        assert!(error.contains("send mail") && error.contains("letters, digits"), "{error}");
    }

    #[test]
    fn a_key_takes_any_text_up_to_its_bound() {
        assert!(TaskKey::new("like:did:plc:ü/1").is_ok());
        assert!(TaskKey::new("x".repeat(512)).is_ok());
        assert!(TaskKey::new("x".repeat(513)).is_err());
        assert!(TaskKey::new("a\nb").is_err());
        assert!(TaskKey::new("").is_err());
    }
}
