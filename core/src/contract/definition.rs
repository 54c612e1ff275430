//! The definition of a periodic task, as a build declares it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contract::{NewTask, micros};

/// Identifies a definition of a periodic task: a number computed from its name, queue, args,
/// interval and overrides. Two builds that declare the same have the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DefinitionId(Uuid);

impl DefinitionId {
    /// The id of `task`'s definition.
    pub fn of(task: &NewTask) -> Self {
        let limit = |count: Option<u32>| u64::from(count.unwrap_or(0)).to_be_bytes();
        let every = task.every.map_or(0, |every: Duration| micros(every)).to_be_bytes();
        let overrides = [limit(task.overrides.max_attempts), limit(task.overrides.max_crashes)];
        let parts: [&[u8]; 6] = [
            task.name.as_str().as_bytes(),
            task.queue.as_str().as_bytes(),
            task.args.as_bytes(),
            &every,
            &overrides[0],
            &overrides[1],
        ];
        Self(Uuid::from_u128(hash(&parts)))
    }

    /// As backends store it.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Debug for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DefinitionId({})", self.0)
    }
}

/// FNV-1a: the same in every build and on every machine. Nobody gains from a collision of two
/// definitions.
fn hash(parts: &[&[u8]]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
    parts.iter().fold(BASIS, |hash, part| {
        let length = (part.len() as u64).to_be_bytes();
        part.iter().fold(length.iter().fold(hash, step), step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Payload, Queue, RunAt, TaskName};

    #[test]
    fn what_differs_in_anything_but_its_time_is_another_definition() {
        let task = NewTask::new(TaskName::new("sweep").unwrap(), Payload::new("{}"));
        let base = DefinitionId::of(&task);
        assert_eq!(DefinitionId::of(&NewTask { run_at: RunAt::In(Duration::from_secs(9)), ..task.clone() }), base);
        let mut others = [task.clone(), task.clone(), task.clone(), task];
        others[0].queue = Queue::new("bulk").unwrap();
        others[1].args = Payload::new("{\"a\":1}");
        others[2].every = Some(Duration::from_secs(5));
        others[3].overrides.max_crashes = Some(1);
        assert!(others.iter().all(|other| DefinitionId::of(other) != base));
    }

    /// Workers of all builds must agree on it.
    #[test]
    fn it_is_the_same_for_ever() {
        let task = NewTask::new(TaskName::new("sweep").unwrap(), Payload::new("{}"));
        assert_eq!(hash(&[]), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(DefinitionId::of(&task), DefinitionId::of(&NewTask::new(task.name.clone(), task.args)));
    }
}
