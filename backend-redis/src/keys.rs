//! The names of a docket's keys. All share one hash tag; `scripts/prelude.lua` lists them.

use docket_core::DocketName;

/// Makes the names of one docket's keys.
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

    /// What comes after the prefix; `None` for a key of somebody else.
    pub(crate) fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)
    }

    /// Matches the keys that start with `rest`. A docket name has no character that a pattern could mistake.
    pub(crate) fn pattern(&self, rest: &str) -> String {
        format!("{}{rest}*", self.prefix)
    }
}
