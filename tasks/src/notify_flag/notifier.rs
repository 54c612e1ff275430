//! The sender of notices to the admin.

use std::time::Duration;

use docket_core::Result;

use crate::services::Vars;
use crate::{Chat, ChatAccess, Secret};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The configuration of direct messages to the admin.
#[derive(Debug)]
pub struct Notifier {
    /// The bot that sends them.
    pub chat: Chat,
    /// The service, as messages name it: with its environment, where that is not production.
    pub app_name: String,
    /// Where tracks are shown; none leaves the link out.
    pub frontend_url: Option<String>,
}

impl Notifier {
    /// Reads `NOTIFY_ENABLED` (default false), `NOTIFY_BOT_HANDLE`, `NOTIFY_BOT_PASSWORD`, `NOTIFY_RECIPIENT_HANDLE`,
    /// `NOTIFY_BOT_URL` (default `https://bsky.social`); `FRONTEND_URL` and `LOGFIRE_ENVIRONMENT`, for the text.
    pub(crate) fn from_vars<F: Fn(&str) -> Option<String>>(vars: &Vars<F>) -> Result<Option<Self>> {
        if !vars.switch("NOTIFY_ENABLED", false)? {
            return Ok(None);
        }
        let otherwise = "without direct messages, set NOTIFY_ENABLED=false";
        let access = ChatAccess {
            url: vars.text("NOTIFY_BOT_URL").unwrap_or_else(|| "https://bsky.social".to_owned()),
            bot_handle: vars.required("NOTIFY_BOT_HANDLE", otherwise)?,
            bot_password: Secret::new(vars.required("NOTIFY_BOT_PASSWORD", otherwise)?),
            recipient_handle: vars.required("NOTIFY_RECIPIENT_HANDLE", otherwise)?,
        };
        let app_name = match vars.text("LOGFIRE_ENVIRONMENT").filter(|environment| environment != "production") {
            Some(environment) => format!("plyr.fm ({environment})"),
            None => "plyr.fm".to_owned(),
        };
        let frontend_url = vars.text("FRONTEND_URL").filter(|url| !url.contains("//localhost"));
        Ok(Some(Self { chat: Chat::new(access, TIMEOUT)?, app_name, frontend_url }))
    }
}
