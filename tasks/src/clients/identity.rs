//! Who a handle or a DID is, and where its repository lives.
//!
//! A handle leads to a DID by its own domain's `/.well-known/atproto-did`; where the domain says it by DNS only, a
//! resolver that we trust is asked ([`IdentityOptions::handle_resolver`]). Either way the DID's document has the last
//! word: it must name the handle too.

mod document;

use docket_core::{Error, ErrorKind, Result};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::atproto::{is_did, is_passing};
use super::http::{Answer, Http, Reach};

pub use document::DidDocument;

const RESOLVE: &str = "resolve an identity";

/// Looks up handles and DIDs. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Identity {
    http: Http,
    plc: Url,
    handle_resolver: Url,
}

/// Where an [`Identity`] looks.
#[derive(Clone, Debug)]
pub struct IdentityOptions {
    /// Its user agent.
    pub user_agent: String,
    /// Which servers may be reached.
    pub reach: Reach,
    /// The directory of `did:plc`.
    pub plc: String,
    /// A server with `com.atproto.identity.resolveHandle`.
    pub handle_resolver: String,
}

impl Default for IdentityOptions {
    fn default() -> Self {
        Self {
            user_agent: "plyr.fm/1.0".to_owned(),
            reach: Reach::Public,
            plc: "https://plc.directory".to_owned(),
            handle_resolver: "https://public.api.bsky.app".to_owned(),
        }
    }
}

impl Identity {
    /// Looks where `options` say.
    pub fn new(options: IdentityOptions) -> Result<Self> {
        let IdentityOptions { user_agent, reach, plc, handle_resolver } = options;
        let address = |text: &str| Url::parse(text).map_err(|e| Error::config("set up identities", e.to_string()));
        Ok(Self {
            http: Http::new(&user_agent, reach)?,
            plc: address(&plc)?,
            handle_resolver: address(&handle_resolver)?,
        })
    }

    /// The DID of a handle, once its document agrees.
    ///
    /// # Errors
    ///
    /// `NotFound`: nobody says that it exists. `Conflict`: the document names another handle. Retryable: a server on the
    /// way failed.
    pub async fn did_of(&self, handle: &str) -> Result<String> {
        let handle = handle.trim_start_matches('@').to_ascii_lowercase();
        if !is_handle(&handle) {
            return Err(Error::invalid(RESOLVE, format!("{handle:?} is not a handle")));
        }
        let did = match self.by_domain(&handle).await {
            Ok(Some(did)) => did,
            by_domain => match self.by_resolver(&handle).await? {
                Some(did) => did,
                // Reported only now: a domain that is down need not be asked if the resolver knows.
                None => return Err(by_domain.err().unwrap_or_else(|| not_found(format!("{handle} is unknown")))),
            },
        };
        let document = self.document(&did).await?;
        if document.handle() != Some(&handle) {
            let why = format!("{handle} leads to {did}, which does not have that name");
            return Err(Error::new(ErrorKind::Conflict, RESOLVE, why));
        }
        Ok(did)
    }

    /// Where the repository of a DID is.
    pub async fn pds_of(&self, did: &str) -> Result<String> {
        let document = self.document(did).await?;
        let pds = document.pds().ok_or_else(|| not_found(format!("{did} has no PDS")))?;
        Ok(pds.to_owned())
    }

    /// The document of a DID.
    pub async fn document(&self, did: &str) -> Result<DidDocument> {
        let url = self.document_address(did)?;
        let answer = self.http.get(RESOLVE, &url).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(not_found(format!("{did} does not exist"))),
            _ => DidDocument::read(did, &success(answer)?.body),
        }
    }

    fn document_address(&self, did: &str) -> Result<Url> {
        let wrong = |why: &str| Error::invalid(RESOLVE, format!("{did:?} {why}"));
        if !is_did(did) {
            return Err(wrong("is not a DID"));
        }
        let url = if did.starts_with("did:plc:") {
            self.plc.join(&format!("/{did}")).ok()
        } else if let Some(host) = did.strip_prefix("did:web:") {
            // ATProto has no paths here, so a further colon is none; an escaped one is a port.
            let host = host.replace("%3A", ":");
            if did.matches(':').count() > 2 {
                return Err(wrong("is a did:web with a path, which ATProto does not allow"));
            }
            let scheme = if host.starts_with("localhost") { "http" } else { "https" };
            Url::parse(&format!("{scheme}://{host}/.well-known/did.json")).ok()
        } else {
            return Err(wrong("is neither did:plc nor did:web"));
        };
        url.ok_or_else(|| wrong("has no address"))
    }

    async fn by_domain(&self, handle: &str) -> Result<Option<String>> {
        let url = Url::parse(&format!("https://{handle}/.well-known/atproto-did"));
        let url = url.map_err(|_| Error::invalid(RESOLVE, format!("{handle:?} is not a domain")))?;
        let answer = self.http.get(RESOLVE, &url).await?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        // Many domains answer every address with a page of theirs.
        let text = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
        Ok(is_did(text).then(|| text.to_owned()))
    }

    async fn by_resolver(&self, handle: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Found {
            did: String,
        }
        let mut url = self.handle_resolver.clone();
        url.set_path("/xrpc/com.atproto.identity.resolveHandle");
        url.query_pairs_mut().append_pair("handle", handle);
        let answer = self.http.get(RESOLVE, &url).await?;
        if matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        let found: Option<Found> = serde_json::from_slice(&success(answer)?.body).ok();
        Ok(found.map(|found| found.did).filter(|did| is_did(did)))
    }
}

fn not_found(why: String) -> Error {
    Error::new(ErrorKind::NotFound, RESOLVE, why)
}

fn success(answer: Answer) -> Result<Answer> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let kind = if is_passing(answer.status) { ErrorKind::Unavailable } else { ErrorKind::Refused };
    Err(Error::new(kind, RESOLVE, format!("it answered {}", answer.status)))
}

/// A domain of at least two labels that a browser would find.
fn is_handle(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(label)
        && last.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_a_domain_and_no_address() {
        for text in ["ada.bsky.social", "a.co", "xn--ls8h.test", "8.cn"] {
            assert!(is_handle(text), "{text}");
        }
        for text in
            ["ada", "", "ada.", ".ada.com", "127.0.0.1", "ada.com:80", "ada.com/x", "a_b.com", "-a.com", "[::1]"]
        {
            assert!(!is_handle(text), "{text}");
        }
    }

    #[test]
    fn a_did_leads_to_one_address_or_none() {
        let identity = Identity::new(IdentityOptions::default()).unwrap();
        let table = [
            ("did:plc:ada", Some("https://plc.directory/did:plc:ada")),
            ("did:web:ada.example.com", Some("https://ada.example.com/.well-known/did.json")),
            ("did:web:localhost%3A2583", Some("http://localhost:2583/.well-known/did.json")),
            ("did:web:ada.example.com:users:ada", None),
            ("did:key:zQ3", None),
            ("did:plc:../../etc", None),
            ("ada.example.com", None),
        ];
        for (did, address) in table {
            assert_eq!(identity.document_address(did).ok().as_ref().map(Url::as_str), address, "{did}");
        }
    }

    #[tokio::test]
    async fn a_did_that_leads_inside_is_refused() {
        let identity = Identity::new(IdentityOptions::default()).unwrap();
        for did in ["did:web:localhost", "did:web:127.0.0.1", "did:web:10.0.0.1%3A80", "did:web:169.254.169.254"] {
            let error = identity.document(did).await.unwrap_err();
            assert!(error.kind() == ErrorKind::Refused && !error.is_retryable(), "{did}: {error}");
        }
    }
}
