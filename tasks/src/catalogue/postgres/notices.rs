//! The people who were told of a flag.

use async_trait::async_trait;
use docket_core::Result;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresCatalogue;
use crate::{Notice, NoticeKind, NoticeStep, Notices, Told};

const READ: &str = "SELECT event_begun, event_sent, message_begun, message_sent FROM copyright_scans \
    WHERE track_id = $1 AND file_id = $2 AND is_flagged";

const RECORD_EVENT: &str = "UPDATE copyright_scans SET event_begun = $5, event_sent = $6 \
    WHERE track_id = $1 AND file_id = $2 AND event_begun = $3 AND event_sent = $4";

const RECORD_MESSAGE: &str = "UPDATE copyright_scans SET message_begun = $5, message_sent = $6 \
    WHERE track_id = $1 AND file_id = $2 AND message_begun = $3 AND message_sent = $4";

#[async_trait]
impl Notices for PostgresCatalogue {
    async fn told(&self, track_id: i64, file_id: &str) -> Result<Option<Told>> {
        let query = sqlx::query(READ).bind(track_id).bind(file_id).try_map(|row: PgRow| {
            let event = notice(row.try_get("event_begun")?, row.try_get("event_sent")?);
            Ok(Told { event, message: notice(row.try_get("message_begun")?, row.try_get("message_sent")?) })
        });
        self.ask("read who was told of a flag", query.fetch_optional(&self.pool)).await
    }

    async fn record_notice(&self, track_id: i64, file_id: &str, step: NoticeStep) -> Result<bool> {
        let NoticeStep { kind, from, to } = step;
        let statement = match kind {
            NoticeKind::Event => RECORD_EVENT,
            NoticeKind::Message => RECORD_MESSAGE,
        };
        let query = sqlx::query(statement)
            .bind(track_id)
            .bind(file_id)
            .bind(i64::from(from.begun))
            .bind(from.is_sent)
            .bind(i64::from(to.begun))
            .bind(to.is_sent);
        let done = self.ask("record who was told of a flag", query.execute(&self.pool)).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn notice(begun: i32, is_sent: bool) -> Notice {
    Notice { begun: begun.unsigned_abs(), is_sent }
}
