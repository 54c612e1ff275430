//! The names of a docket's keys, and how a task's key is kept in them. All share one hash tag; `scripts/prelude.lua`
//! lists them.

use std::borrow::Cow;

use docket_core::{DocketName, Error, ErrorKind, Queue, Result, TaskKey, TaskName};
use uuid::Uuid;

/// Marks a key that is a UUID. No other key starts with it: keys have no control characters.
const UUID_MARK: u8 = 0;

/// Builds the names of one docket's keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    meta: String,
}

impl Keys {
    pub(crate) fn new(docket: &DocketName) -> Self {
        let prefix = format!("docket:{{{docket}}}:");
        Self { meta: format!("{prefix}meta"), prefix }
    }

    /// The one key that scripts are given; they derive the others from it.
    pub(crate) fn meta(&self) -> &str {
        &self.meta
    }

    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// The key without the prefix; `None` for a key outside the docket.
    pub(crate) fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)
    }

    /// Matches the keys that start with `rest`. A docket name has no character that is special in a
    /// pattern.
    pub(crate) fn pattern(&self, rest: &str) -> String {
        format!("{}{rest}*", self.prefix)
    }
}

/// A task's key as it is stored: a UUID in the usual spelling, such as a generated key, as its 16
/// bytes.
pub(crate) fn pack(key: &TaskKey) -> Cow<'_, [u8]> {
    let text = key.as_str();
    match Uuid::try_parse(text) {
        Ok(id) if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text => {
            [&[UUID_MARK], &id.as_bytes()[..]].concat().into()
        }
        _ => text.as_bytes().into(),
    }
}

/// A lane as records store it, with an empty queue for the default.
pub(crate) fn lane(queue: &Queue, name: &TaskName) -> String {
    let queue = if *queue == Queue::default() { "" } else { queue.as_str() };
    format!("{queue}|{name}")
}

/// The queue and the name of a lane.
pub(crate) fn unpack_lane(lane: &str) -> Result<(Queue, TaskName)> {
    let unreadable = || Error::new(ErrorKind::Corrupt, "read a lane", "expected a queue and a name");
    let (queue, name) = lane.split_once('|').ok_or_else(unreadable)?;
    let queue = if queue.is_empty() { Queue::default() } else { Queue::new(queue)? };
    Ok((queue, TaskName::new(name)?))
}

/// The key that is stored as `bytes`.
pub(crate) fn unpack(bytes: Vec<u8>) -> Result<TaskKey> {
    let unreadable = || Error::new(ErrorKind::Corrupt, "read a key", "it is neither a UUID nor a text");
    match bytes.strip_prefix(&[UUID_MARK]) {
        Some(id) => TaskKey::new(Uuid::from_slice(id).map_err(|_| unreadable())?.hyphenated().to_string()),
        None => TaskKey::new(String::from_utf8(bytes).map_err(|_| unreadable())?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back_as_it_was_and_no_two_are_kept_alike() {
        let id = "01932c07-a1b2-7c3d-8e4f-0123456789ab";
        let spellings =
            [id.to_owned(), id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), "0123456789abcdef".into()];
        let mut all = std::collections::BTreeSet::new();
        for text in spellings {
            let key = TaskKey::new(&text).unwrap();
            assert_eq!(unpack(pack(&key).into_owned()).unwrap(), key);
            all.insert(pack(&key).into_owned());
        }
        assert_eq!(all.len(), 5);
        assert_eq!(pack(&TaskKey::unique()).len(), 17);
        assert!(unpack(vec![0, 1]).is_err() && unpack(vec![0xff]).is_err());
    }
}
