//! DID documents.

use docket_core::{Error, ErrorKind, Result, json};
use serde::Deserialize;

/// The fields of a DID document that we read.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DidDocument {
    id: String,
    #[serde(default)]
    also_known_as: Vec<String>,
    #[serde(default, rename = "service")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Service {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    /// A text for a PDS; other services may have more to say.
    #[serde(rename = "serviceEndpoint")]
    endpoint: serde_json::Value,
}

impl DidDocument {
    pub(super) fn read(did: &str, bytes: &[u8]) -> Result<Self> {
        let wrong = |why: String| Error::new(ErrorKind::Refused, "read a DID document", why);
        let document: Self = json::decode(bytes).map_err(|e| wrong(format!("that of {did}: {e}")))?;
        if document.id != did {
            return Err(wrong(format!("that of {did} is that of {:?}", document.id)));
        }
        Ok(document)
    }

    /// The handle it goes by, in lower case: claimed, not proven.
    pub fn handle(&self) -> Option<&str> {
        self.also_known_as.iter().find_map(|name| name.strip_prefix("at://"))
    }

    /// Where its repository is.
    pub fn pds(&self) -> Option<&str> {
        let is_pds = |service: &&Service| {
            let name = service.id.strip_prefix(&*self.id).unwrap_or(&service.id);
            name == "#atproto_pds" && service.kind == "AtprotoPersonalDataServer"
        };
        self.services.iter().find(is_pds)?.endpoint.as_str()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        json!({
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": "did:plc:ada",
            "alsoKnownAs": ["at://ada.example.com", "https://ada.example.com"],
            "service": [
                {"id": "#bsky_notif", "type": "BskyNotificationService", "serviceEndpoint": {"uri": "x"}},
                {"id": "did:plc:ada#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.example.com"},
            ],
        })
    }

    #[test]
    fn it_names_a_handle_and_a_pds() {
        let document = DidDocument::read("did:plc:ada", document().to_string().as_bytes()).unwrap();
        assert_eq!((document.handle(), document.pds()), (Some("ada.example.com"), Some("https://pds.example.com")));
    }

    #[test]
    fn one_that_names_nothing_is_read_and_one_of_somebody_else_is_not() {
        let bare = DidDocument::read("did:plc:ada", br#"{"id":"did:plc:ada"}"#).unwrap();
        assert_eq!((bare.handle(), bare.pds()), (None, None));
        assert!(DidDocument::read("did:plc:eve", document().to_string().as_bytes()).is_err());
        assert!(DidDocument::read("did:plc:ada", b"<html>").is_err());
    }
}
