//! One record on a PDS, made to match its row.
//!
//! The run carries no state of its own: it reads the wanted state, puts or deletes, and confirms.
//! If the wanted state has changed in between it starts over, so whichever run is last, late or
//! repeated, the record ends as the row. A run that dies after any step leaves the slot
//! unconfirmed, and the next one repeats all of it: a put of the same record under the same key
//! changes nothing, and deleting a missing record succeeds.

use docket_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Pds, PdsNames, time};
use crate::{AtUri, Comment, Confirmed, Like, PdsError, Record, Row, StrongRef, Swap};

/// Times one run goes round. A user who changes a row faster than this schedules the task again with every change.
const ROUNDS_MAX: usize = 3;
/// Bytes of a comment, as the lexicon counts.
const COMMENT_BYTES_MAX: usize = 1_000;

/// The result for a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RecordReport {
    /// It is there, as its row says.
    Written(StrongRef),
    /// It is gone, as its row is.
    Deleted {
        /// Where it was.
        uri: AtUri,
    },
    /// Neither a row nor a slot: nobody wants it there, and it never was, or is gone already.
    Nothing,
}

/// The user's change of a row; for the log alone: the task reads the row itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is new.
    Creation,
    /// It is another.
    Update,
    /// It is gone.
    Deletion,
}

impl Change {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Update => "update",
            Self::Deletion => "deletion",
        }
    }
}

pub(crate) async fn converge(pds: &Pds, record: &Record) -> Result<RecordReport, PdsError> {
    for _ in 0..ROUNDS_MAX {
        let Some(wanted) = pds.social.wanted(record).await? else { return Ok(RecordReport::Nothing) };
        let uri = AtUri::new(&wanted.did, &pds.names.collection(record), wanted.rkey)?;
        let report = if let Some(row) = &wanted.row {
            let content = content(&pds.names, row)?;
            RecordReport::Written(pds.atproto.put_record(&uri, &content, Swap::Any).await?)
        } else {
            pds.atproto.delete_record(&uri).await?;
            RecordReport::Deleted { uri: uri.clone() }
        };
        if pds.social.confirm(record, wanted.revision, &uri).await? == Confirmed::Settled {
            return Ok(report);
        }
    }
    let why = format!("its row changed {ROUNDS_MAX} times in the meantime");
    Err(Error::new(ErrorKind::Unavailable, "write a record", why).into())
}

/// The record of a row, or why there can be none.
fn content(names: &PdsNames, row: &Row) -> docket_core::Result<Value> {
    let wrong = |why: &str| Error::invalid("make a record", why);
    match row {
        Row::Like(Like { subject, created_at }) => Ok(json!({
            "$type": names.like(),
            "subject": subject.as_ref().ok_or_else(|| wrong("the track it likes has no record"))?,
            "createdAt": time(*created_at),
        })),
        Row::Comment(Comment { subject, text, timestamp_ms, created_at, updated_at }) => {
            if text.is_empty() || text.len() > COMMENT_BYTES_MAX {
                return Err(wrong(&format!("a comment has 1 to {COMMENT_BYTES_MAX} bytes, this one {}", text.len())));
            }
            if *timestamp_ms < 0 {
                return Err(wrong("it comments on a moment before the track begins"));
            }
            let mut content = json!({
                "$type": names.comment(),
                "subject": subject.as_ref().ok_or_else(|| wrong("the track it comments on has no record"))?,
                "text": text,
                "timestampMs": timestamp_ms,
                "createdAt": time(*created_at),
            });
            if let Some(updated_at) = updated_at {
                content["updatedAt"] = Value::String(time(*updated_at));
            }
            Ok(content)
        }
    }
}

#[cfg(test)]
mod tests {
    use docket_core::Timestamp;

    use super::*;

    fn subject() -> StrongRef {
        let uri = "at://did:plc:ada/fm.plyr.track/3jzfcijpj2z2a".parse().unwrap();
        StrongRef { uri, cid: "bafyreitrack".to_owned() }
    }

    fn comment(text: &str) -> Comment {
        let created_at = Timestamp::from_micros(1_767_225_600_000_001);
        let subject = Some(subject());
        Comment { subject, text: text.to_owned(), timestamp_ms: 4_200, created_at, updated_at: None }
    }

    fn record(row: &Row) -> docket_core::Result<Value> {
        content(&PdsNames::default(), row)
    }

    #[test]
    fn a_like_says_what_and_since_when() {
        let like = Like { subject: Some(subject()), created_at: Timestamp::from_micros(1_767_225_600_000_000) };
        let subject = json!({"uri": "at://did:plc:ada/fm.plyr.track/3jzfcijpj2z2a", "cid": "bafyreitrack"});
        let wanted = json!({"$type": "fm.plyr.like", "subject": subject, "createdAt": "2026-01-01T00:00:00.000000Z"});
        assert_eq!(record(&Row::Like(like)).unwrap(), wanted);
    }

    #[test]
    fn a_comment_says_when_it_was_changed_if_it_was() {
        let fresh = record(&Row::Comment(comment("nice"))).unwrap();
        assert_eq!((&fresh["createdAt"], fresh.get("updatedAt")), (&json!("2026-01-01T00:00:00.000001Z"), None));
        assert_eq!((&fresh["text"], &fresh["timestampMs"]), (&json!("nice"), &json!(4_200)));
        let updated_at = Some(Timestamp::from_micros(1_767_225_601_000_000));
        let edited = record(&Row::Comment(Comment { updated_at, ..comment("nicer") })).unwrap();
        assert_eq!(edited["updatedAt"], "2026-01-01T00:00:01.000000Z");
    }

    #[test]
    fn what_can_be_no_record_says_why() {
        let table = [
            (Row::Comment(comment("")), "1 to 1000 bytes, this one 0"),
            (Row::Comment(comment(&"ü".repeat(501))), "1 to 1000 bytes, this one 1002"),
            (Row::Comment(Comment { timestamp_ms: -1, ..comment("x") }), "before the track begins"),
            (Row::Comment(Comment { subject: None, ..comment("x") }), "has no record"),
            (Row::Like(Like { subject: None, created_at: Timestamp::default() }), "has no record"),
        ];
        for (row, why) in table {
            let error = record(&row).unwrap_err();
            assert!(!error.is_retryable() && error.to_string().contains(why), "{error}");
        }
        assert!(record(&Row::Comment(comment(&"ü".repeat(500)))).is_ok());
    }
}
