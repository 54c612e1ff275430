//! Records: create, put, delete, get, list, several at once.

use docket_core::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::PdsError;
use super::xrpc::{Caller, Question};
use super::{AtUri, Atproto, StrongRef};

/// Records of a page.
pub const PAGE_RECORDS_MAX: usize = 100;

/// The precondition of a write: the state of the record that the writer saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Swap<'a> {
    /// Any state; the last write wins.
    Any,
    /// There is none yet.
    Absent,
    /// The record has this hash.
    At(&'a str),
}

/// A record as it is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KeptRecord {
    /// Its address.
    pub uri: AtUri,
    /// The hash of its content.
    #[serde(default)]
    pub cid: String,
    /// Its content.
    pub value: Value,
}

/// One page of a collection.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<KeptRecord>,
    /// Set while there may be more.
    pub cursor: Option<String>,
}

/// One of several writes that happen together or not at all.
#[derive(Clone, PartialEq, Debug)]
pub enum Write {
    /// A new record.
    Create(AtUri, Value),
    /// A record that must be there, replaced.
    Update(AtUri, Value),
    /// A record that must be there, taken away.
    Delete(AtUri),
}

impl Atproto {
    /// Makes a new record; there must be none at `uri`.
    ///
    /// # Cancel safety
    ///
    /// As for every write: dropped, it may or may not have taken effect.
    pub async fn create_record(&self, uri: &AtUri, record: &Value) -> Result<StrongRef, PdsError> {
        let body = json!({
            "repo": uri.did(), "collection": uri.collection(), "rkey": uri.rkey(), "record": record,
        });
        let made = self.write("create a record", uri, "com.atproto.repo.createRecord", &body).await?;
        log_write(uri, "create");
        Ok(made)
    }

    /// Makes the record at `uri` this one. Doing it twice is doing it once.
    ///
    /// # Errors
    ///
    /// `InvalidSwap` if the record is not at the state named by `swap`.
    pub async fn put_record(&self, uri: &AtUri, record: &Value, swap: Swap<'_>) -> Result<StrongRef, PdsError> {
        let mut body = json!({
            "repo": uri.did(), "collection": uri.collection(), "rkey": uri.rkey(), "record": record,
        });
        match swap {
            Swap::Any => {}
            Swap::Absent => body["swapRecord"] = Value::Null,
            Swap::At(cid) => body["swapRecord"] = Value::String(cid.to_owned()),
        }
        let put = self.write("put a record", uri, "com.atproto.repo.putRecord", &body).await?;
        log_write(uri, "put");
        Ok(put)
    }

    /// Takes the record at `uri` away. That there is none is a success.
    pub async fn delete_record(&self, uri: &AtUri) -> Result<(), PdsError> {
        let body = json!({ "repo": uri.did(), "collection": uri.collection(), "rkey": uri.rkey() });
        let nsid = "com.atproto.repo.deleteRecord";
        match self.write::<Map<String, Value>>("delete a record", uri, nsid, &body).await {
            Ok(_) | Err(PdsError::NotFound(_)) => log_write(uri, "delete"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Several writes to one repository, all or none. All must be of the collections that the first may write to.
    pub async fn apply_writes(&self, writes: &[Write]) -> Result<(), PdsError> {
        let Some(first) = writes.first() else { return Ok(()) };
        let did = first.uri().did();
        if writes.iter().any(|write| write.uri().did() != did) {
            return Err(Error::invalid("apply writes", "they are for more than one repository").into());
        }
        let list: Vec<Value> = writes.iter().map(Write::to_json).collect();
        let body = json!({ "repo": did, "writes": list });
        let nsid = "com.atproto.repo.applyWrites";
        self.write::<Map<String, Value>>("apply writes", first.uri(), nsid, &body).await?;
        for write in writes {
            log_write(write.uri(), write.operation());
        }
        Ok(())
    }

    /// The record at `uri`, read as its owner. `None`: there is none.
    pub async fn get_record(&self, uri: &AtUri) -> Result<Option<KeptRecord>, PdsError> {
        let query = [("repo", uri.did()), ("collection", uri.collection()), ("rkey", uri.rkey())];
        let question = Question::get(GET, "com.atproto.repo.getRecord", &query);
        found(self.as_user(uri.did(), uri.collection(), &question).await)
    }

    /// The record at `uri`, read as anybody from the PDS at `pds_url`. `None`: there is none.
    pub async fn public_record(&self, pds_url: &str, uri: &AtUri) -> Result<Option<KeptRecord>, PdsError> {
        let query = [("repo", uri.did()), ("collection", uri.collection()), ("rkey", uri.rkey())];
        let call = Question::get(GET, "com.atproto.repo.getRecord", &query).to(pds_url)?;
        found(self.xrpc.ask(&call, Caller::Anybody).await)
    }

    /// A page of a collection, read as anybody from the PDS at `pds_url`; the newest first.
    pub async fn list_records(
        &self,
        pds_url: &str,
        did: &str,
        collection: &str,
        cursor: Option<&str>,
    ) -> Result<RecordPage, PdsError> {
        let limit = PAGE_RECORDS_MAX.to_string();
        let mut query = vec![("repo", did), ("collection", collection), ("limit", &*limit)];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let call = Question::get("list records", "com.atproto.repo.listRecords", &query).to(pds_url)?;
        self.xrpc.ask(&call, Caller::Anybody).await
    }

    async fn write<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        uri: &AtUri,
        nsid: &'static str,
        body: &Value,
    ) -> Result<T, PdsError> {
        self.as_user(uri.did(), uri.collection(), &Question::post(operation, nsid, Some(body))).await
    }
}

const GET: &str = "get a record";

fn found(read: Result<KeptRecord, PdsError>) -> Result<Option<KeptRecord>, PdsError> {
    match read {
        Ok(record) => Ok(Some(record)),
        Err(PdsError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An alert compares these lines with what the firehose echoes.
fn log_write(uri: &AtUri, operation: &str) {
    let (collection, repo) = (uri.collection(), uri.did());
    tracing::info!(collection, operation, repo, "pds record write {collection}.{operation}");
}

impl Write {
    fn uri(&self) -> &AtUri {
        match self {
            Self::Create(uri, _) | Self::Update(uri, _) | Self::Delete(uri) => uri,
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Create(..) => "create",
            Self::Update(..) => "update",
            Self::Delete(_) => "delete",
        }
    }

    fn to_json(&self) -> Value {
        let uri = self.uri();
        let mut json = json!({
            "$type": format!("com.atproto.repo.applyWrites#{}", self.operation()),
            "collection": uri.collection(),
            "rkey": uri.rkey(),
        });
        if let Self::Create(_, record) | Self::Update(_, record) = self {
            json["value"] = record.clone();
        }
        json
    }
}
