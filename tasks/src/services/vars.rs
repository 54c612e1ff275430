//! Settings, and the services built from them.

use std::time::Duration;

use docket_core::{Error, Result};

use crate::{Access, Buckets, Labeler, Moderation, Replicate, Secret, Storage};

/// The time a scan may take, below the limit of the task's run.
const MODERATION_TIMEOUT: Duration = Duration::from_mins(5);
/// Genres asked for by default.
const LABELS_MAX: u32 = 10;

/// Settings, by name. An empty value counts as unset.
pub(crate) struct Vars<F>(pub(crate) F);

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.0(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, name: &str, otherwise: &str) -> Result<String> {
        self.text(name).ok_or_else(|| Error::config(format!("read {name}"), format!("it is not set; {otherwise}")))
    }

    pub(super) fn buckets(&self) -> Result<Buckets> {
        let access = self.access();
        let open = |name: String| {
            let location = if name.contains("://") { name } else { format!("s3://{name}") };
            Storage::open(&location, access.as_ref())
        };
        let public = open(self.required("R2_BUCKET", "it names the bucket of public audio")?)?;
        let private = self.text("R2_PRIVATE_BUCKET").map(open).transpose()?;
        let exports = self.text("R2_EXPORT_BUCKET").map(open).transpose()?;
        let exports = exports.or_else(|| private.clone()).unwrap_or_else(|| public.clone());
        Ok(Buckets { public, private, exports })
    }

    fn access(&self) -> Option<Access> {
        Some(Access {
            endpoint: self.text("R2_ENDPOINT_URL"),
            key_id: Secret::new(self.text("AWS_ACCESS_KEY_ID")?),
            secret: Secret::new(self.text("AWS_SECRET_ACCESS_KEY")?),
            region: self.text("AWS_REGION").unwrap_or_else(|| "auto".to_owned()),
        })
    }

    pub(crate) fn switch(&self, name: &str, unset: bool) -> Result<bool> {
        match self.text(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(unset),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(Error::config(format!("read {name}"), "it must be true or false")),
        }
    }

    pub(super) fn moderation(&self) -> Result<Option<Moderation>> {
        if !self.switch("MODERATION_ENABLED", true)? {
            tracing::warn!("moderation is disabled: copyright scans are skipped");
            return Ok(None);
        }
        let otherwise = "without moderation, set MODERATION_ENABLED=false";
        let url = self.required("MODERATION_SERVICE_URL", otherwise)?;
        let token = Secret::new(self.required("MODERATION_AUTH_TOKEN", otherwise)?);
        let timeout = match self.text("MODERATION_TIMEOUT_SECONDS") {
            None => MODERATION_TIMEOUT,
            Some(text) => Duration::from_secs(
                text.parse().map_err(|e| Error::config("read MODERATION_TIMEOUT_SECONDS", format!("{text:?}: {e}")))?,
            ),
        };
        if timeout > MODERATION_TIMEOUT {
            return Err(Error::config("read MODERATION_TIMEOUT_SECONDS", "a scan may take at most 300 s"));
        }
        Moderation::new(&url, token, timeout).map(Some)
    }

    pub(super) fn labeler(&self) -> Result<Option<Labeler>> {
        let Some(url) = self.text("MODERATION_LABELER_URL") else { return Ok(None) };
        if !self.switch("MODERATION_ENABLED", true)? {
            return Ok(None);
        }
        let token = self.required("MODERATION_AUTH_TOKEN", "the labeler asks for it")?;
        Labeler::new(&url, Secret::new(token)).map(Some)
    }

    pub(super) fn replicate(&self) -> Result<Option<Replicate>> {
        if !self.switch("REPLICATE_ENABLED", false)? {
            return Ok(None);
        }
        let token = self.required("REPLICATE_API_TOKEN", "without classification, set REPLICATE_ENABLED=false")?;
        let labels_max = match self.text("REPLICATE_TOP_N") {
            None => LABELS_MAX,
            Some(text) => text.parse().map_err(|e| Error::config("read REPLICATE_TOP_N", format!("{text:?}: {e}")))?,
        };
        let url = self.text("REPLICATE_API_URL").unwrap_or_else(|| "https://api.replicate.com".to_owned());
        Replicate::new(&url, Secret::new(token), labels_max).map(Some)
    }
}
