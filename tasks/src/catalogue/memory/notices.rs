//! The people who were told of a flag.

use async_trait::async_trait;
use docket_core::Result;

use super::MemoryCatalogue;
use crate::{NoticeKind, NoticeStep, Notices, ScanState, Told};

#[async_trait]
impl Notices for MemoryCatalogue {
    async fn told(&self, track_id: i64, file_id: &str) -> Result<Option<Told>> {
        let (tables, key) = (self.tables(), (track_id, file_id.to_owned()));
        let is_flagged = tables.scans.get(&key).is_some_and(|(_, scan)| scan.state == ScanState::Flagged);
        Ok(is_flagged.then(|| tables.told.get(&key).copied().unwrap_or_default()))
    }

    async fn record_notice(&self, track_id: i64, file_id: &str, step: NoticeStep) -> Result<bool> {
        let (mut tables, key) = (self.tables(), (track_id, file_id.to_owned()));
        if !tables.scans.contains_key(&key) {
            return Ok(false);
        }
        let told = tables.told.entry(key).or_default();
        let notice = match step.kind {
            NoticeKind::Event => &mut told.event,
            NoticeKind::Message => &mut told.message,
        };
        let is_as_read = *notice == step.from;
        if is_as_read {
            *notice = step.to;
        }
        Ok(is_as_read)
    }
}
