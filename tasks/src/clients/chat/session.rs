//! Being logged in.

use std::fmt;
use std::time::Duration;

use docket_core::Result;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::call::{CallError, address, below};
use super::super::secret::Secret;
use super::call;

/// How long a login is used: a token is good for two hours.
const SESSION_MAX: Duration = Duration::from_hours(1);

/// How the bot logs in, and the login it has.
pub(super) struct Login {
    base: Url,
    handle: String,
    password: Secret,
    known: Mutex<Option<(Instant, Session)>>,
}

/// The bot, logged in.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) did: String,
    pub(super) token: Secret,
    /// The bot's own PDS, which the one it logs in at may not be.
    pub(super) pds: Url,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    did: String,
    access_jwt: String,
    #[serde(default)]
    did_doc: Value,
}

impl Login {
    pub(super) fn new(url: &str, handle: String, password: Secret) -> Result<Self> {
        Ok(Self { base: address("NOTIFY_BOT_URL", url)?, handle, password, known: Mutex::default() })
    }

    /// The login of a while ago, if it is still to be used.
    pub(super) async fn known(&self) -> Option<Session> {
        let known = self.known.lock().await;
        known.as_ref().filter(|(since, _)| since.elapsed() < SESSION_MAX).map(|(_, session)| session.clone())
    }

    /// Logs in.
    pub(super) async fn anew(&self, http: &Client) -> Result<Session, CallError> {
        let body = json!({ "identifier": self.handle, "password": self.password.reveal() });
        let request = http.post(below(&self.base, "xrpc/com.atproto.server.createSession")).json(&body);
        let Answer { did, access_jwt, did_doc } = call("log the bot in").send(request).await?;
        let pds = self.pds(&did_doc).unwrap_or_else(|| self.base.clone());
        let session = Session { did, token: Secret::new(access_jwt), pds };
        *self.known.lock().await = Some((Instant::now(), session.clone()));
        Ok(session)
    }

    /// The PDS that the DID document names. The token goes there, so never over a weaker scheme than the password did.
    fn pds(&self, did_doc: &Value) -> Option<Url> {
        let services = did_doc["service"].as_array()?;
        let is_pds = |id: &Value| id.as_str().is_some_and(|id| id.ends_with("#atproto_pds"));
        let service = services.iter().find(|service| is_pds(&service["id"]))?;
        let url = Url::parse(service["serviceEndpoint"].as_str()?).ok()?;
        (url.scheme() == "https" || url.scheme() == self.base.scheme()).then_some(url)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("Login")
            .field("host", &self.base.host_str())
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_goes_over_a_weaker_scheme_than_the_password() {
        let login = |url| Login::new(url, "bot.plyr.fm".to_owned(), Secret::new("app-secret")).unwrap();
        let document = |url| json!({ "service": [{ "id": "did:plc:bot#atproto_pds", "serviceEndpoint": url }] });
        let (secure, local) = (login("https://bsky.social"), login("http://127.0.0.1:2583"));
        let pds = |login: &Login, url| login.pds(&document(url)).map(String::from);
        assert_eq!(pds(&secure, "https://morel.example").as_deref(), Some("https://morel.example/"));
        assert_eq!(pds(&secure, "http://morel.example"), None);
        assert_eq!(pds(&local, "http://127.0.0.1:2584").as_deref(), Some("http://127.0.0.1:2584/"));
        assert!(secure.pds(&Value::Null).is_none());
    }
}
