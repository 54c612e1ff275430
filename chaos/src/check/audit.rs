//! Records and indexes agree at the end.

use super::Violation;
use crate::history::History;

pub(super) fn check(history: &History) -> Vec<Violation> {
    history.defects.iter().map(|text| Violation::new("audit", text.clone())).collect()
}
