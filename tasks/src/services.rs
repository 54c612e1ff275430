//! The services of the tasks, shared by every run of a worker.

mod vars;

use std::sync::Arc;

use docket_core::{Error, Failure, Result};
use tokio::sync::Semaphore;

pub(crate) use vars::Vars;

use crate::{AudioFile, AudioStorage, Bluesky, Catalogue, Labeler, Moderation, Notifier, Pds, Replicate, Storage};

/// Exports that run at once in one worker: each holds parts in memory and a connection for minutes.
pub const EXPORTS_MAX: usize = 2;

/// Buckets by their contents.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// Public audio.
    pub public: Storage,
    /// Audio of gated tracks.
    pub private: Option<Storage>,
    /// Finished exports. They hold gated audio, so their objects are not public: hand out
    /// [`Storage::download_url`]s. A lifecycle rule should delete `exports/` after a day.
    pub exports: Storage,
}

impl Buckets {
    /// The bucket that holds audio of this kind, or why there is none.
    pub(crate) fn holding(&self, storage: AudioStorage) -> Result<&Storage, &'static str> {
        match storage {
            AudioStorage::Public => Ok(&self.public),
            AudioStorage::Private => self.private.as_ref().ok_or("it is gated, and this worker has no private bucket"),
            AudioStorage::Pds => Err("its audio is only on the artist's own PDS"),
        }
    }

    /// The other bucket: where audio still is while it moves, and originals of gated tracks from before these moved too.
    pub(crate) fn aside(&self, storage: AudioStorage) -> Option<&Storage> {
        match storage {
            AudioStorage::Public => self.private.as_ref(),
            AudioStorage::Private => Some(&self.public),
            AudioStorage::Pds => None,
        }
    }
}

/// A worker's services for the tasks of this crate, given with `worker::Builder::share`.
#[derive(Debug)]
pub struct Services {
    pub(crate) catalogue: Arc<dyn Catalogue>,
    pub(crate) buckets: Buckets,
    pub(crate) moderation: Option<Moderation>,
    pub(crate) labeler: Option<Labeler>,
    pub(crate) notifier: Option<Notifier>,
    pub(crate) replicate: Option<Replicate>,
    pub(crate) bluesky: Option<Bluesky>,
    pub(crate) public_url: Option<String>,
    pub(crate) exports: Semaphore,
    pds: Option<Pds>,
}

impl Services {
    /// Creates them; without `moderation` scans are skipped, and so is the work of services that no
    /// `with_…` adds.
    pub fn new(catalogue: Arc<dyn Catalogue>, buckets: Buckets, moderation: Option<Moderation>) -> Self {
        Self {
            catalogue,
            buckets,
            moderation,
            labeler: None,
            notifier: None,
            replicate: None,
            bluesky: None,
            public_url: None,
            exports: Semaphore::new(EXPORTS_MAX),
            pds: None,
        }
    }

    /// Adds the labeler: it hears of flags, and flags can be taken back.
    pub fn with_labeler(self, labeler: Labeler) -> Self {
        Self { labeler: Some(labeler), ..self }
    }

    /// Adds the bot that tells the admin of flags.
    pub fn with_notifier(self, notifier: Notifier) -> Self {
        Self { notifier: Some(notifier), ..self }
    }

    /// Adds the service that hears genres.
    pub fn with_replicate(self, replicate: Replicate) -> Self {
        Self { replicate: Some(replicate), ..self }
    }

    /// Adds Bluesky, for the pictures of artists.
    pub fn with_bluesky(self, bluesky: Bluesky) -> Self {
        Self { bluesky: Some(bluesky), ..self }
    }

    /// Sets where the public bucket is open to all, e.g. `https://audio.plyr.fm`; without it, a folder's own address.
    pub fn with_public_url(self, url: impl Into<String>) -> Self {
        Self { public_url: Some(url.into()), ..self }
    }

    /// Adds the services of the tasks of [`crate::register_pds`].
    pub fn with_pds(self, pds: Pds) -> Self {
        Self { pds: Some(pds), ..self }
    }

    pub(crate) fn pds(&self) -> Result<&Pds, Failure> {
        self.pds.as_ref().ok_or_else(|| Failure::retry("this worker was built without Services::with_pds"))
    }

    /// The address of public audio.
    pub fn public_url(&self, file: &AudioFile) -> Result<String> {
        let key = file.key()?;
        match &self.public_url {
            Some(url) => Ok(format!("{}/{key}", url.trim_end_matches('/'))),
            None if self.buckets.public.is_folder() => Ok(self.buckets.public.address(&key)),
            None => Err(Error::config("read R2_PUBLIC_BUCKET_URL", "it is not set; public audio has no address")),
        }
    }

    /// Reads the environment.
    ///
    /// `R2_BUCKET`, `R2_PRIVATE_BUCKET`, `R2_EXPORT_BUCKET` (default: the private one, else the public one): a bucket's
    /// name, or `s3://` or `file://`; `R2_PUBLIC_BUCKET_URL`; `R2_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`
    /// (default `auto`); `MODERATION_ENABLED` (default true), `MODERATION_SERVICE_URL`, `MODERATION_LABELER_URL` (default:
    /// none, so no flag is taken back), `MODERATION_AUTH_TOKEN`, `MODERATION_TIMEOUT_SECONDS` (default 300);
    /// `REPLICATE_ENABLED` (default false), `REPLICATE_API_TOKEN`, `REPLICATE_TOP_N` (default 10); `BLUESKY_API_URL`;
    /// `NOTIFY_ENABLED` (default false), `NOTIFY_BOT_HANDLE`, `NOTIFY_BOT_PASSWORD`, `NOTIFY_BOT_URL` (default
    /// `https://bsky.social`), `NOTIFY_RECIPIENT_HANDLE`; `FRONTEND_URL`, `LOGFIRE_ENVIRONMENT`.
    pub fn from_env(catalogue: Arc<dyn Catalogue>) -> Result<Self> {
        Self::from_vars(catalogue, |name| std::env::var(name).ok())
    }

    /// Reads the same variables from `lookup`. An empty value counts as unset.
    pub fn from_vars(catalogue: Arc<dyn Catalogue>, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let vars = Vars(lookup);
        let services = Self::new(catalogue, vars.buckets()?, vars.moderation()?);
        let bluesky = vars.text("BLUESKY_API_URL").unwrap_or_else(|| "https://public.api.bsky.app".to_owned());
        let bluesky = Some(Bluesky::new(&bluesky)?);
        let public_url = vars.text("R2_PUBLIC_BUCKET_URL");
        let notifier = Notifier::from_vars(&vars)?;
        Ok(Self { labeler: vars.labeler()?, notifier, replicate: vars.replicate()?, bluesky, public_url, ..services })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::MemoryCatalogue;

    const ALL: [(&str, &str); 11] = [
        ("R2_BUCKET", "audio"),
        ("R2_PRIVATE_BUCKET", "audio-private"),
        ("R2_ENDPOINT_URL", "https://account.r2.cloudflarestorage.com"),
        ("AWS_ACCESS_KEY_ID", "key-id-abc"),
        ("AWS_SECRET_ACCESS_KEY", "very-secret"),
        ("MODERATION_SERVICE_URL", "https://user:url-secret@moderation.plyr.fm"),
        ("MODERATION_AUTH_TOKEN", "token-secret"),
        ("NOTIFY_ENABLED", "true"),
        ("NOTIFY_BOT_HANDLE", "bot.plyr.fm"),
        ("NOTIFY_BOT_PASSWORD", "app-secret"),
        ("NOTIFY_RECIPIENT_HANDLE", "admin.plyr.fm"),
    ];

    fn with(changes: &[(&str, &str)]) -> Result<Services> {
        let vars = |name: &str| {
            let found = changes.iter().chain(&ALL).find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Services::from_vars(Arc::new(MemoryCatalogue::default()), vars)
    }

    #[test]
    fn no_secret_shows_in_debug() {
        let shown = format!("{:?}", with(&[]).unwrap());
        assert!(shown.contains("s3://audio-private") && shown.contains("moderation.plyr.fm"), "{shown}");
        for secret in ["very-secret", "app-secret", "token-secret", "url-secret", "key-id-abc"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (name, value, reason) in [
            ("R2_BUCKET", "", "R2_BUCKET"),
            ("R2_BUCKET", "gs://audio", "gs:// is unknown"),
            ("R2_BUCKET", "file:///no/such/folder", "no such folder"),
            ("AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY"),
            ("MODERATION_AUTH_TOKEN", "", "MODERATION_ENABLED=false"),
            ("MODERATION_SERVICE_URL", "moderation", "MODERATION_SERVICE_URL"),
            ("MODERATION_TIMEOUT_SECONDS", "0", "zero never means infinite"),
            ("MODERATION_TIMEOUT_SECONDS", "301", "at most 300 s"),
            ("MODERATION_ENABLED", "maybe", "true or false"),
            ("NOTIFY_BOT_PASSWORD", "", "NOTIFY_ENABLED=false"),
            ("NOTIFY_RECIPIENT_HANDLE", "", "NOTIFY_RECIPIENT_HANDLE"),
            ("NOTIFY_BOT_URL", "bsky", "NOTIFY_BOT_URL"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), docket_core::ErrorKind::Config);
            assert!(error.to_string().contains(reason), "{name}={value}: {error}");
        }
    }

    #[test]
    fn moderation_can_be_switched_off_by_saying_so() {
        let services = with(&[("MODERATION_ENABLED", "false"), ("MODERATION_SERVICE_URL", "")]).unwrap();
        assert!(services.moderation.is_none());
    }

    #[test]
    fn who_tells_nobody_needs_no_bot() {
        let services = with(&[("NOTIFY_ENABLED", ""), ("NOTIFY_BOT_HANDLE", "")]).unwrap();
        assert!(services.notifier.is_none());
    }

    #[tokio::test]
    async fn a_download_address_is_signed_when_asked_for_and_ends() {
        let services = with(&[]).unwrap();
        let url = services.buckets.exports.download_url("exports/e1.zip", Duration::from_hours(1)).await.unwrap();
        assert!(url.starts_with("https://account.r2.cloudflarestorage.com/audio-private/exports/e1.zip?"), "{url}");
        assert!(url.contains("X-Amz-Expires=3600") && url.contains("X-Amz-Signature="), "{url}");
        assert!(!url.contains("very-secret"));
    }
}
