//! Sessions as plyr.fm keeps them in `user_sessions.oauth_session_data`: a JSON object, encrypted
//! with Fernet.
//!
//! For implementors of [`super::Sessions`] on that table; the service itself reads and writes the
//! same.

use std::fmt;

use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use docket_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::{Credentials, OAuthTokens};
use crate::Secret;

const VERSION: u8 = 0x80;
/// Version, time, initialisation vector.
const HEAD: usize = 1 + 8 + 16;
const TAG: usize = 32;

/// How long refresh tokens are good for, in days, where the session does not say.
const CONFIDENTIAL_DAYS: i64 = 180;
const PUBLIC_DAYS: i64 = 14;
const DAY: i64 = 24 * 60 * 60;

/// The key that sessions are encrypted with (`OAUTH_ENCRYPTION_KEY`). `Debug` shows nothing of it.
pub struct SessionCipher {
    signing: hmac::Key,
    encryption: [u8; 16],
}

/// A decrypted session. Unknown fields are kept as they are.
#[derive(Clone, PartialEq)]
pub struct SessionPayload(Map<String, Value>);

impl SessionCipher {
    /// Reads a Fernet key: URL-safe base64 of 32 bytes, one half to sign, the other to encrypt.
    pub fn new(key: &Secret) -> Result<Self> {
        let wrong = || Error::config("read OAUTH_ENCRYPTION_KEY", "not a Fernet key");
        let key = URL_SAFE.decode(key.reveal().trim()).map_err(|_| wrong())?;
        let (signing, encryption) = key.split_at_checked(16).ok_or_else(wrong)?;
        let encryption = encryption.try_into().map_err(|_| wrong())?;
        Ok(Self { signing: hmac::Key::new(hmac::HMAC_SHA256, signing), encryption })
    }

    /// Decrypts a session. How old it is does not matter: sessions end by columns of their own.
    pub fn open(&self, sealed: &str) -> Result<SessionPayload> {
        let text = self.decrypt(sealed).ok_or_else(|| corrupt("it was not sealed with this key"))?;
        let payload = serde_json::from_slice(&text).map_err(|_| corrupt("not a JSON object"))?;
        Ok(SessionPayload(payload))
    }

    /// Encrypts a session.
    pub fn seal(&self, payload: &SessionPayload) -> Result<String> {
        let text = Value::Object(payload.0.clone()).to_string().into_bytes();
        let now = jiff::Timestamp::now().as_second().to_be_bytes();
        let failed = || Error::new(ErrorKind::Internal, "encrypt a session", "the cipher fails");
        self.encrypt(text, now).ok_or_else(failed)
    }

    fn decrypt(&self, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE.decode(sealed.trim()).ok()?;
        let tag = bytes.split_off(bytes.len().checked_sub(TAG)?);
        hmac::verify(&self.signing, &bytes, &tag).ok()?;
        let (head, text) = bytes.split_at_mut_checked(HEAD)?;
        if head[0] != VERSION {
            return None;
        }
        let iv: [u8; 16] = head[9..].try_into().ok()?;
        let key = UnboundCipherKey::new(&AES_128, &self.encryption).ok()?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
        Some(key.decrypt(text, DecryptionContext::Iv128(FixedLength::from(iv))).ok()?.to_vec())
    }

    fn encrypt(&self, mut text: Vec<u8>, now: [u8; 8]) -> Option<String> {
        let key = UnboundCipherKey::new(&AES_128, &self.encryption).ok()?;
        let DecryptionContext::Iv128(iv) = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?.encrypt(&mut text).ok()?
        else {
            return None;
        };
        let mut bytes = [&[VERSION], &now[..], iv.as_ref(), &text].concat();
        let tag = hmac::sign(&self.signing, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        Some(URL_SAFE.encode(bytes))
    }
}

impl SessionPayload {
    /// A session as the login made it.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// Proof of the login.
    pub fn credentials(&self) -> Result<Credentials> {
        let (access, refresh) = (self.secret("access_token")?, self.secret("refresh_token")?);
        if self.0.get("auth_type").and_then(Value::as_str) == Some("app_password") {
            return Ok(Credentials::AppPassword { access, refresh });
        }
        Ok(Credentials::OAuth(OAuthTokens {
            issuer: self.text("authserver_iss")?.to_owned(),
            scope: self.text("scope")?.to_owned(),
            access,
            refresh,
            key_pem: self.secret("dpop_private_key_pem")?,
        }))
    }

    /// When its refresh token runs out, in seconds since 1970: as it says, else a lifetime after `created_at`.
    pub fn refresh_ends_at(&self, created_at: i64) -> i64 {
        let told = self.0.get("refresh_token_expires_at").and_then(Value::as_str);
        let told: Option<jiff::Timestamp> = told.and_then(|text| text.parse().ok());
        told.map_or(created_at.saturating_add(self.lifetime()), jiff::Timestamp::as_second)
    }

    fn lifetime(&self) -> i64 {
        let told = self.0.get("refresh_token_lifetime_days").and_then(Value::as_i64);
        let is_public = self.0.get("client_auth_method").and_then(Value::as_str) == Some("none");
        let days = told.unwrap_or(if is_public { PUBLIC_DAYS } else { CONFIDENTIAL_DAYS });
        days.saturating_mul(DAY)
    }

    /// The same session with other tokens, given `now`, in seconds since 1970.
    pub fn with(&self, credentials: &Credentials, now: i64) -> Self {
        let mut payload = self.0.clone();
        let mut set = |name: &str, value: &str| payload.insert(name.to_owned(), value.into());
        let (access, refresh) = match credentials {
            Credentials::AppPassword { access, refresh } => (access, refresh),
            Credentials::OAuth(OAuthTokens { issuer, scope, access, refresh, key_pem }) => {
                set("authserver_iss", issuer);
                set("scope", scope);
                set("dpop_private_key_pem", key_pem.reveal());
                (access, refresh)
            }
        };
        set("access_token", access.reveal());
        set("refresh_token", refresh.reveal());
        if let Ok(end) = jiff::Timestamp::from_second(now.saturating_add(self.lifetime())) {
            set("refresh_token_expires_at", &end.to_string());
        }
        Self(payload)
    }

    /// Where the repository is.
    pub fn pds_url(&self) -> Result<&str> {
        self.text("pds_url")
    }

    fn secret(&self, name: &str) -> Result<Secret> {
        self.text(name).map(Secret::new)
    }

    fn text(&self, name: &str) -> Result<&str> {
        self.0.get(name).and_then(Value::as_str).ok_or_else(|| corrupt(&format!("it has no {name}")))
    }
}

fn corrupt(why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "read a session", why)
}

impl fmt::Debug for SessionCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCipher(***)")
    }
}

impl fmt::Debug for SessionPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionPayload(***)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of the specification's own examples: key, token, and the text `hello` in it.
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str =
        "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    fn cipher() -> SessionCipher {
        SessionCipher::new(&Secret::new(KEY)).unwrap()
    }

    fn payload() -> SessionPayload {
        let payload = json!({
            "did": "did:plc:ada", "pds_url": "https://pds.example.com", "authserver_iss": "https://auth.example.com",
            "scope": "atproto", "access_token": "a1", "refresh_token": "r1", "dpop_private_key_pem": "pem",
            "dpop_pds_nonce": "n1",
        });
        let Value::Object(payload) = payload else { unreachable!("it is an object") };
        SessionPayload::new(payload)
    }

    #[test]
    fn what_the_specification_seals_is_opened_and_what_is_changed_is_not() {
        assert_eq!(cipher().decrypt(TOKEN).unwrap(), b"hello");
        let mut changed = TOKEN.to_owned();
        changed.replace_range(40..41, "x");
        let other = URL_SAFE.encode([7; 32]);
        assert!(cipher().decrypt(&changed).is_none());
        assert!(SessionCipher::new(&Secret::new(other)).unwrap().decrypt(TOKEN).is_none());
        for text in ["", "gAAA", "not base64!", &URL_SAFE.encode([VERSION; 40])] {
            assert!(cipher().open(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_sealed_is_opened_and_no_two_look_alike() {
        let (one, two) = (cipher().seal(&payload()).unwrap(), cipher().seal(&payload()).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("gAAAAA"), "{one}");
        assert_eq!(cipher().open(&one).unwrap(), payload());
    }

    #[test]
    fn new_tokens_replace_the_old_and_nothing_else() {
        let Credentials::OAuth(old) = payload().credentials().unwrap() else { panic!("it is by OAuth") };
        assert_eq!((&*old.issuer, old.access.reveal()), ("https://auth.example.com", "a1"));
        let new = Credentials::OAuth(OAuthTokens { access: Secret::new("a2"), refresh: Secret::new("r2"), ..old });
        let changed = payload().with(&new, 1_767_225_600);
        assert_eq!(changed.credentials().unwrap(), new);
        assert_eq!(
            (&changed.0["dpop_pds_nonce"], changed.pds_url().unwrap()),
            (&json!("n1"), "https://pds.example.com")
        );
    }

    #[test]
    fn a_refresh_token_runs_out_when_the_session_says_or_a_lifetime_after_it_was_given() {
        let with = |name: &str, value: Value| {
            let mut payload = payload();
            payload.0.insert(name.to_owned(), value);
            payload
        };
        assert_eq!(payload().refresh_ends_at(0), 180 * DAY);
        assert_eq!(with("client_auth_method", "none".into()).refresh_ends_at(0), 14 * DAY);
        assert_eq!(with("refresh_token_lifetime_days", 7.into()).refresh_ends_at(DAY), 8 * DAY);
        let told = with("refresh_token_expires_at", "2026-01-01T00:00:00+00:00".into());
        assert_eq!(told.refresh_ends_at(0), 1_767_225_600);
        let renewed = told.with(&told.credentials().unwrap(), 1_767_225_600);
        assert_eq!(renewed.refresh_ends_at(0), 1_767_225_600 + 180 * DAY);
    }

    #[test]
    fn an_app_password_needs_no_key() {
        let mut payload = payload();
        payload.0.insert("auth_type".to_owned(), "app_password".into());
        payload.0.remove("dpop_private_key_pem");
        let credentials = payload.credentials().unwrap();
        let wanted = Credentials::AppPassword { access: Secret::new("a1"), refresh: Secret::new("r1") };
        assert_eq!(credentials, wanted);
        payload.0.remove("refresh_token");
        assert!(payload.credentials().unwrap_err().to_string().contains("refresh_token"));
    }

    #[test]
    fn nothing_of_it_shows() {
        assert_eq!(format!("{:?} {:?}", cipher(), payload()), "SessionCipher(***) SessionPayload(***)");
        let error = SessionCipher::new(&Secret::new("hunter2")).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
