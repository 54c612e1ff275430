//! Addresses of records.

use std::fmt;
use std::str::FromStr;

use docket_core::Error;
use serde::{Deserialize, Serialize};

/// `at://did/collection/rkey`: one record in one repository. Checked: an invalid one cannot be
/// created.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AtUri {
    did: String,
    collection: String,
    rkey: String,
}

/// A record at one state of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct StrongRef {
    /// Its address.
    pub uri: AtUri,
    /// The hash of its content.
    pub cid: String,
}

impl AtUri {
    /// The record `rkey` of `collection` in the repository of `did`.
    pub fn new(did: &str, collection: &str, rkey: impl fmt::Display) -> Result<Self, Error> {
        let rkey = rkey.to_string();
        let wrong = |what: &str| Err(Error::invalid("address a record", what.to_owned()));
        if !is_did(did) {
            return wrong(&format!("{did:?} is not a DID"));
        }
        if !is_nsid(collection) {
            return wrong(&format!("{collection:?} is not a collection"));
        }
        if !is_rkey(&rkey) {
            return wrong(&format!("{rkey:?} is not a record key"));
        }
        Ok(Self { did: did.to_owned(), collection: collection.to_owned(), rkey })
    }

    /// Whose repository.
    pub fn did(&self) -> &str {
        &self.did
    }

    /// Which collection of it.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// Which record of that.
    pub fn rkey(&self) -> &str {
        &self.rkey
    }
}

impl FromStr for AtUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Option<Vec<&str>> = text.strip_prefix("at://").map(|rest| rest.split('/').collect());
        match parts.as_deref() {
            Some([did, collection, rkey]) => Self::new(did, collection, rkey),
            _ => Err(Error::invalid("address a record", format!("{text:?} is not at://did/collection/rkey"))),
        }
    }
}

impl fmt::Display for AtUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { did, collection, rkey } = self;
        write!(f, "at://{did}/{collection}/{rkey}")
    }
}

impl TryFrom<String> for AtUri {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<AtUri> for String {
    fn from(uri: AtUri) -> Self {
        uri.to_string()
    }
}

/// `did:method:id`, within what the specification of ATProto allows.
pub(crate) fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (Some("did"), Some(method), Some(id)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte);
    !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_lowercase())
        && text.len() <= 2_048
        && id.bytes().all(allowed)
        && !id.is_empty()
        && !id.ends_with([':', '%'])
}

fn is_nsid(text: &str) -> bool {
    let segment = |part: &str| {
        !part.is_empty() && part.len() <= 63 && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 317 && text.split('.').count() >= 3 && text.split('.').all(segment)
}

fn is_rkey(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte);
    (1..=512).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_written() {
        for text in [
            "at://did:plc:z72i7hdynmk6r22z27h6tvur/fm.plyr.track/3jzfcijpj2z2a",
            "at://did:web:pds.example.com/fm.plyr.actor.profile/self",
        ] {
            assert_eq!(text.parse::<AtUri>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_of_a_record_is_refused() {
        for text in [
            "",
            "at://",
            "https://did:plc:ada/fm.plyr.like/self",
            "at://did:plc:ada",
            "at://did:plc:ada/fm.plyr.like",
            "at://ada.example.com/fm.plyr.like/self",
            "at://did:plc:ada/like/self",
            "at://did:plc:ada/fm.plyr.like/..",
            "at://did:plc:ada/fm.plyr.like/a/b",
            "at://did:plc:ada/fm.plyr.like/a?b",
            "at://did:PLC:ada/fm.plyr.like/a",
            "at://did:plc:/fm.plyr.like/a",
            "at://did:plc:ada/fm..like/a",
            "at://did:plc:a da/fm.plyr.like/a",
        ] {
            assert!(text.parse::<AtUri>().is_err(), "{text}");
            assert!(serde_json::from_value::<AtUri>(text.into()).is_err(), "{text}");
        }
    }
}
