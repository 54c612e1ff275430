//! Telling people of a flag: moderators by a review event, the admin by a direct message.
//!
//! A task of its own, so that a scan that runs twice tells nobody twice. The scan's row records the
//! progress of each of the two notices: "begun" before it is sent, "sent" once it has arrived, each
//! by compare-and-set, so that of two runs one goes on. They are independent: if one fails, the
//! other still arrives, and only the missing one is tried again.
//!
//! If a worker dies between sending and recording it:
//!
//! * The message: before it sends, the next run checks whether the bot has already sent the same
//!   text, so that it arrives once. Each flag has its own text. It arrives twice only after five
//!   hundred others, or if a run goes on beyond its lost lease.
//! * The event: it carries `Idempotency-Key: flag:{track}:{file_id}`. A labeler that ignores the
//!   key makes a second entry of it: at least once.

mod message;
mod notifier;

use std::time::Duration;

use docket_core::{Add, Backoff, Client, Context, Failure, Policy, Receipt, Task, Verdict};
use serde::{Deserialize, Serialize};

pub use notifier::Notifier;

use crate::run::Run;
use crate::{CallError, FlagEvent, Notice, NoticeKind, NoticeStep, Scan, Services, Track};

/// Tells people that the audio `file_id` of a track was flagged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotifyFlag {
    /// The track.
    pub track_id: i64,
    /// The audio that was flagged.
    pub file_id: String,
}

/// The people who know of a flag.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum NotifyReport {
    /// There is a flag.
    Flagged {
        /// The moderators, by a review event.
        event: Notified,
        /// The admin, by a direct message.
        message: Notified,
    },
    /// The flag was taken back, or it is of audio that the track has no more.
    NotFlagged,
}

/// Whether somebody was told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Notified {
    /// By this run or by one before.
    Told,
    /// Nobody tells them.
    Skipped {
        /// Why not.
        reason: String,
    },
}

impl NotifyFlag {
    /// The task about to be added. Adding it twice is harmless: nobody is told twice.
    pub fn add(client: &Client, track_id: i64, file_id: &str) -> Add {
        client.add(Self { track_id, file_id: file_id.to_owned() }).key(key(track_id, file_id))
    }
}

/// Adds the notices of a flag; the scan that sets one does so itself.
#[tracing::instrument(name = "scheduled flag notice via docket", skip_all, fields(track_id = track_id))]
pub async fn schedule_flag_notice(client: &Client, track_id: i64, file_id: &str) -> docket_core::Result<Receipt> {
    let receipt = NotifyFlag::add(client, track_id, file_id).await?;
    tracing::info!(track_id, "scheduled flag notice via docket");
    Ok(receipt)
}

/// The key of the task, and of its notices.
fn key(track_id: i64, file_id: &str) -> String {
    format!("flag:{track_id}:{file_id}")
}

impl Task for NotifyFlag {
    const NAME: &'static str = "notify_flag";
    type Output = NotifyReport;

    fn policy() -> Policy {
        Policy {
            // About a day.
            max_attempts: 10,
            backoff: Backoff { base: Duration::from_mins(2), max: Duration::from_hours(4) },
            // Longer than its calls take together.
            timeout: Duration::from_mins(5),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<NotifyReport, Failure> {
        let services = ctx.state::<Services>()?;
        Run::of(&ctx).unless_cancelled(Box::pin(self.notify(&services))).await
    }
}

impl NotifyFlag {
    /// One run: both notices, each as far as it comes.
    pub(crate) async fn notify(&self, services: &Services) -> Result<NotifyReport, Failure> {
        let catalogue = &services.catalogue;
        let told = catalogue.told(self.track_id, &self.file_id).await?;
        let track = catalogue.track(self.track_id).await?;
        let scan = catalogue.scan(self.track_id, &self.file_id).await?;
        let track = track.filter(|track| track.audio.as_ref().is_some_and(|audio| audio.file_id == self.file_id));
        let (Some(told), Some(track), Some(scan)) = (told, track, scan) else { return Ok(NotifyReport::NotFlagged) };
        let event = self.tell_moderators(services, told.event, &track, &scan).await;
        let message = self.tell_admin(services, told.message, &track, &scan).await;
        both(event, message)
    }

    async fn tell_moderators(
        &self,
        services: &Services,
        known: Notice,
        track: &Track,
        scan: &Scan,
    ) -> Result<Notified, Failure> {
        let Some(labeler) = &services.labeler else { return Ok(skipped("there is no labeler")) };
        let Some(uri) = &track.record_uri else { return Ok(skipped("the track has no record")) };
        let event =
            FlagEvent { subject_uri: uri.clone(), subject_track_id: self.track_id, notes: message::notes(scan) };
        let key = key(self.track_id, &self.file_id);
        self.tell(services, NoticeKind::Event, known, labeler.report(&event, &key)).await
    }

    async fn tell_admin(
        &self,
        services: &Services,
        known: Notice,
        track: &Track,
        scan: &Scan,
    ) -> Result<Notified, Failure> {
        let Some(notifier) = &services.notifier else { return Ok(skipped("NOTIFY_ENABLED is false")) };
        let text = message::text(notifier, track, scan);
        let sending = async {
            // A notice that was begun before may have arrived.
            if known.begun == 0 { notifier.chat.send(&text).await } else { notifier.chat.send_unless_sent(&text).await }
        };
        self.tell(services, NoticeKind::Message, known, sending).await
    }

    /// Sends one notice between "begun" and "sent".
    async fn tell(
        &self,
        services: &Services,
        kind: NoticeKind,
        known: Notice,
        sending: impl Future<Output = Result<(), CallError>>,
    ) -> Result<Notified, Failure> {
        if known.is_sent {
            return Ok(Notified::Told);
        }
        let begun = NoticeStep::begin(kind, known);
        let sent = async {
            self.record(services, begun).await?;
            sending.await?;
            self.record(services, begun.sent()).await
        };
        let warn = |failure: &Failure| tracing::warn!(track_id = self.track_id, ?kind, ?failure, "flag notice failed");
        sent.await.inspect_err(warn).map(|()| Notified::Told)
    }

    async fn record(&self, services: &Services, step: NoticeStep) -> Result<(), Failure> {
        let recorded = services.catalogue.record_notice(self.track_id, &self.file_id, step).await?;
        recorded.then_some(()).ok_or_else(|| Failure::retry("another run tells of the same flag"))
    }
}

/// A failure that can be retried keeps the task alive.
fn both(event: Result<Notified, Failure>, message: Result<Notified, Failure>) -> Result<NotifyReport, Failure> {
    match (event, message) {
        (Ok(event), Ok(message)) => Ok(NotifyReport::Flagged { event, message }),
        (Err(event), Err(message)) if event.verdict() == Verdict::Fatal => Err(message),
        (Err(failure), _) | (Ok(_), Err(failure)) => Err(failure),
    }
}

fn skipped(reason: &str) -> Notified {
    Notified::Skipped { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
