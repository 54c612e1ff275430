//! Flags that moderators took back.

use async_trait::async_trait;
use docket_core::Result;

use super::MemoryCatalogue;
use crate::{Flagged, Resolutions, ScanId, ScanState};

#[async_trait]
impl Resolutions for MemoryCatalogue {
    async fn flagged(&self, after: Option<ScanId>, limit: usize) -> Result<Vec<Flagged>> {
        let tables = self.tables();
        let flagged = tables
            .scans
            .values()
            .filter(|(id, scan)| scan.state == ScanState::Flagged && after.is_none_or(|after| *id > after));
        let mut found: Vec<Flagged> = flagged
            .filter_map(|(id, scan)| {
                let uri = tables.tracks.get(&scan.track_id)?.record_uri.clone()?;
                Some(Flagged { id: *id, uri, scanned_at: scan.scanned_at })
            })
            .collect();
        found.sort_by_key(|flag| flag.id);
        found.truncate(limit);
        Ok(found)
    }

    async fn take_back(&self, flags: &[Flagged]) -> Result<usize> {
        let mut tables = self.tables();
        let mut count = 0;
        for (id, scan) in tables.scans.values_mut() {
            let is_read = flags.iter().any(|flag| flag.id == *id && flag.scanned_at == scan.scanned_at);
            if is_read && scan.state == ScanState::Flagged {
                scan.state = ScanState::Resolved;
                count += 1;
            }
        }
        Ok(count)
    }
}
