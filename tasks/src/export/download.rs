//! Handing out a finished export.

use std::time::Duration;

use docket_core::{Error, ErrorKind, Result};

use crate::process_export::ExportReport;
use crate::{JobState, Services};

/// The download of an export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportDownload {
    /// An address from which anyone can download it for as long as was asked: made now, stored nowhere.
    Ready(String),
    /// It is not finished, or it failed.
    NotReady(JobState),
    /// It belongs to another user.
    Foreign,
    /// The export does not exist.
    Unknown,
}

/// The archive of `export_id`, for its owner alone.
pub async fn export_download(
    services: &Services,
    export_id: &str,
    owner_did: &str,
    valid_for: Duration,
) -> Result<ExportDownload> {
    let Some(job) = services.catalogue.job(export_id).await? else { return Ok(ExportDownload::Unknown) };
    if job.owner_did != owner_did {
        return Ok(ExportDownload::Foreign);
    }
    if job.state != JobState::Completed {
        return Ok(ExportDownload::NotReady(job.state));
    }
    let report: ExportReport = serde_json::from_value(job.result.into()).map_err(|e| {
        Error::new(ErrorKind::Corrupt, "hand out an export", "the job's result does not decode").with_source(e)
    })?;
    services.buckets.exports.download_url(&report.archive_key, valid_for).await.map(ExportDownload::Ready)
}
