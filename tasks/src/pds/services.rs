//! The services of the tasks that write to PDSs.

use std::sync::Arc;

use docket_core::{Error, Result, Timestamp};

use crate::{Atproto, AtprotoOptions, OAuthClient, Reach, Record, Secret, Sessions, Social};

/// Given to [`crate::Services::with_pds`].
#[derive(Clone, Debug)]
pub struct Pds {
    pub(crate) atproto: Atproto,
    pub(crate) social: Arc<dyn Social>,
    pub(crate) names: PdsNames,
}

/// The names of the written records, and of us in them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PdsNames {
    /// Of our own collections; another in each environment.
    pub namespace: String,
    /// Where plays go.
    pub teal_play: String,
    /// The collection for the current track.
    pub teal_status: String,
    /// Where tracks are shown.
    pub frontend_url: String,
}

impl Default for PdsNames {
    fn default() -> Self {
        Self {
            namespace: "fm.plyr".to_owned(),
            teal_play: "fm.teal.feed.play".to_owned(),
            teal_status: "fm.teal.actor.status".to_owned(),
            frontend_url: "http://localhost:5173".to_owned(),
        }
    }
}

impl PdsNames {
    pub(crate) fn like(&self) -> String {
        format!("{}.like", self.namespace)
    }

    pub(crate) fn comment(&self) -> String {
        format!("{}.comment", self.namespace)
    }

    pub(crate) fn list(&self) -> String {
        format!("{}.list", self.namespace)
    }

    pub(crate) fn profile(&self) -> String {
        format!("{}.actor.profile", self.namespace)
    }

    pub(crate) fn collection(&self, record: &Record) -> String {
        match record {
            Record::Like { .. } => self.like(),
            Record::Comment { .. } => self.comment(),
        }
    }
}

/// RFC 3339 in UTC, to the microsecond.
pub(crate) fn time(moment: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(moment.as_micros()).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

impl Pds {
    /// Puts them together.
    pub fn new(atproto: Atproto, social: Arc<dyn Social>, names: PdsNames) -> Self {
        Self { atproto, social, names }
    }

    /// Reads the environment: `ATPROTO_CLIENT_ID`; `OAUTH_JWK` (a private JWK with a `kid`; without it we are a public
    /// client); `ATPROTO_USER_AGENT`; `ATPROTO_APP_NAMESPACE` (default `fm.plyr`); `TEAL_PLAY_COLLECTION`,
    /// `TEAL_STATUS_COLLECTION`; `FRONTEND_URL`. An empty value counts as unset.
    pub fn from_env(sessions: Arc<dyn Sessions>, social: Arc<dyn Social>) -> Result<Self> {
        Self::from_vars(sessions, social, |name| std::env::var(name).ok())
    }

    /// Reads the same variables from `lookup`.
    pub fn from_vars(
        sessions: Arc<dyn Sessions>,
        social: Arc<dyn Social>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let text = |name: &str| lookup(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let id = text("ATPROTO_CLIENT_ID");
        let id = id.ok_or_else(|| Error::config("read ATPROTO_CLIENT_ID", "it is not set; logins were made for it"))?;
        let oauth = match text("OAUTH_JWK") {
            Some(jwk) => OAuthClient::confidential(id, &Secret::new(jwk))
                .map_err(|error| Error::config("read OAUTH_JWK", error.to_string()))?,
            None => OAuthClient::public(id),
        };
        let user_agent = text("ATPROTO_USER_AGENT").unwrap_or_else(|| "plyr.fm/1.0".to_owned());
        let atproto = Atproto::new(sessions, AtprotoOptions { user_agent, reach: Reach::Public, oauth })?;
        let known = PdsNames::default();
        let names = PdsNames {
            namespace: text("ATPROTO_APP_NAMESPACE").unwrap_or(known.namespace),
            teal_play: text("TEAL_PLAY_COLLECTION").unwrap_or(known.teal_play),
            teal_status: text("TEAL_STATUS_COLLECTION").unwrap_or(known.teal_status),
            frontend_url: text("FRONTEND_URL").unwrap_or(known.frontend_url),
        };
        Ok(Self::new(atproto, social, names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemorySessions, MemorySocial};

    fn with(vars: &[(&str, &str)]) -> Result<Pds> {
        let lookup = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Pds::from_vars(Arc::new(MemorySessions::default()), Arc::new(MemorySocial::default()), lookup)
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_without_its_value() {
        assert!(with(&[]).unwrap_err().to_string().contains("ATPROTO_CLIENT_ID"));
        let id = ("ATPROTO_CLIENT_ID", "https://plyr.fm/client.json");
        for jwk in ["hunter2", r#"{"kty":"RSA","d":"hunter2"}"#, r#"{"kty":"EC","crv":"P-256","d":"hunter2"}"#] {
            let error = with(&[id, ("OAUTH_JWK", jwk)]).unwrap_err();
            assert!(error.to_string().contains("OAUTH_JWK") && !format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn environments_have_collections_of_their_own() {
        let id = ("ATPROTO_CLIENT_ID", "https://plyr.fm/client.json");
        let pds = with(&[id, ("ATPROTO_APP_NAMESPACE", "fm.plyr.stg"), ("FRONTEND_URL", " ")]).unwrap();
        assert_eq!(pds.names.like(), "fm.plyr.stg.like");
        assert_eq!(pds.names.frontend_url, PdsNames::default().frontend_url);
    }
}
