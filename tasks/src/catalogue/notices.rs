//! The people who were told of a flag.

use async_trait::async_trait;
use docket_core::Result;

/// The notices of flags, kept with the scans that set them.
///
/// # Cancel safety
///
/// A dropped write may or may not have taken effect; read again to find out.
#[async_trait]
pub trait Notices: Send + Sync {
    /// The people told of the flag on this audio; `None` if it is not flagged, or not any more.
    async fn told(&self, track_id: i64, file_id: &str) -> Result<Option<Told>>;

    /// Says that a notice is now `to`, if it is still `from`, compared in the same step; false, and nothing written, if not.
    async fn record_notice(&self, track_id: i64, file_id: &str, step: NoticeStep) -> Result<bool>;
}

/// The people told of one flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// The moderators, by a review event.
    pub event: Notice,
    /// The admin, by a direct message.
    pub message: Notice,
}

/// How far one notice is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Notice {
    /// How often sending it was begun. If it was begun and is not sent, it is unknown whether it
    /// arrived.
    pub begun: u32,
    /// It arrived.
    pub is_sent: bool,
}

/// Which notice of a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoticeKind {
    /// The review event to the moderators.
    Event,
    /// The direct message to the admin.
    Message,
}

/// One step of one notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoticeStep {
    /// The loop.
    pub kind: NoticeKind,
    /// As it was read.
    pub from: Notice,
    /// As it is from now on.
    pub to: Notice,
}

impl Told {
    /// How far this one is.
    pub fn notice(&self, kind: NoticeKind) -> Notice {
        match kind {
            NoticeKind::Event => self.event,
            NoticeKind::Message => self.message,
        }
    }
}

impl NoticeStep {
    /// Before it is sent.
    pub fn begin(kind: NoticeKind, from: Notice) -> Self {
        Self { kind, from, to: Notice { begun: from.begun.saturating_add(1), is_sent: false } }
    }

    /// Once this step's notice has arrived.
    pub fn sent(self) -> Self {
        Self { kind: self.kind, from: self.to, to: Notice { is_sent: true, ..self.to } }
    }
}
