//! Moving a track's audio between the public and the private bucket.
//!
//! Its destination is read from the track each time, never from the message, so a series of
//! switches ends as the last one says. Every object of the track moves, the lossless original too.
//! An object is copied, its bytes compared with its name (their hash), and only then deleted on the
//! other side, unless another track wants it there: tracks with equal bytes share one.
//!
//! Towards private the public object goes **before** the track is marked private: for a short time
//! it cannot be played, but audio that is marked private is never public. Towards public the
//! address appears once the object is there. Caches in front of the public bucket are not purged
//! here.

use std::time::Duration;

use docket_core::{Add, Backoff, Client, Context, Failure, Policy, Receipt, Task};
use serde::{Deserialize, Serialize};

use crate::clients::transfer::transfer;
use crate::run::Run;
use crate::{AudioStorage, Placement, Services, Storage};

/// How often a run follows a switch that comes while it copies, before it leaves that to another run.
const SWITCHES_MAX: usize = 5;

/// Brings the audio of a track to where the track says it belongs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MoveTrackAudio {
    /// The track.
    pub track_id: i64,
}

/// The result of a move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum MoveReport {
    /// The audio is where it belongs.
    Placed {
        /// Where that is.
        storage: AudioStorage,
        /// Objects that had to be copied.
        copied: usize,
        /// Objects that stay on the other side as well, because another track wants them there.
        shared: usize,
    },
    /// Our buckets hold no audio of this track.
    NoAudio,
}

/// The move of a track's audio, to be added, e.g. in the caller's transaction: the same one that
/// switches the gate. A running one is followed by this one, so that the last switch counts.
pub fn track_audio_move(client: &Client, track_id: i64) -> Add {
    client.schedule(MoveTrackAudio { track_id }).key(format!("track-audio:{track_id}"))
}

/// Adds the move of a track's audio, after the gate was switched.
#[tracing::instrument(name = "scheduled track audio move via docket", skip_all, fields(track_id = track_id))]
pub async fn schedule_track_audio_move(client: &Client, track_id: i64) -> docket_core::Result<Receipt> {
    let receipt = track_audio_move(client, track_id).await?;
    tracing::info!(track_id, "scheduled track audio move via docket");
    Ok(receipt)
}

impl Task for MoveTrackAudio {
    const NAME: &'static str = "move_track_audio";
    type Output = MoveReport;

    fn policy() -> Policy {
        Policy {
            // About a day.
            max_attempts: 12,
            backoff: Backoff { base: Duration::from_secs(10), max: Duration::from_hours(4) },
            timeout: Duration::from_mins(10),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<MoveReport, Failure> {
        let services = ctx.state::<Services>()?;
        Run::of(&ctx).unless_cancelled(self.place(&services)).await
    }
}

impl MoveTrackAudio {
    pub(crate) async fn place(&self, services: &Services) -> Result<MoveReport, Failure> {
        for _ in 0..SWITCHES_MAX {
            let placement = services.catalogue.placement(self.track_id).await?;
            let placement = placement.ok_or_else(|| Failure::fatal(format!("there is no track {}", self.track_id)))?;
            if placement.files.is_empty() {
                return Ok(MoveReport::NoAudio);
            }
            let placed = self.follow(services, &placement).await;
            if let Some(report) = placed.inspect_err(|failure| self.alarm(&placement, failure))? {
                return Ok(report);
            }
        }
        Err(Failure::retry("where the audio belongs changes faster than it can be moved"))
    }

    /// Brings every object to where `placement` wants it; `None` if something else is wanted by now.
    async fn follow(&self, services: &Services, placement: &Placement) -> Result<Option<MoveReport>, Failure> {
        let (from, to) = sides(services, placement)?;
        let mut copied = 0;
        for file in &placement.files {
            copied += usize::from(transfer(from, to, file, placement.wanted()).await?);
        }
        let url = (!placement.is_gated).then(|| services.public_url(&placement.files[0])).transpose()?;
        let record = services.catalogue.record_placement(self.track_id, placement, url.as_deref());
        let (shared, is_still) = if placement.is_gated {
            let shared = self.take_away(services, placement, from, to).await?;
            (shared, record.await?)
        } else {
            let is_still = record.await?;
            (if is_still { self.take_away(services, placement, from, to).await? } else { 0 }, is_still)
        };
        Ok(is_still.then(|| MoveReport::Placed { storage: placement.wanted(), copied, shared }))
    }

    /// Takes the objects away from where they do not belong; gives the number that another track wants there.
    async fn take_away(
        &self,
        services: &Services,
        placement: &Placement,
        from: &Storage,
        to: &Storage,
    ) -> Result<usize, Failure> {
        let left = other(placement.wanted());
        let mut shared = 0;
        for file in &placement.files {
            let is_wanted = || services.catalogue.is_wanted_elsewhere(file, left, self.track_id);
            if is_wanted().await? {
                shared += 1;
                continue;
            }
            from.delete(&file.key()?).await?;
            // Another track may have come to want it while it went.
            if is_wanted().await? {
                shared += 1;
                transfer(to, from, file, left).await?;
            }
        }
        Ok(shared)
    }

    /// Audio that should be private and is public does not wait for the last attempt to be seen.
    fn alarm(&self, placement: &Placement, failure: &Failure) {
        if placement.is_gated {
            tracing::error!(track_id = self.track_id, ?failure, "audio that must be private may still be public");
        }
    }
}

/// The bucket it must leave, and the one it belongs into.
fn sides<'a>(services: &'a Services, placement: &Placement) -> Result<(&'a Storage, &'a Storage), Failure> {
    let wanted = placement.wanted();
    let holding = |storage| services.buckets.holding(storage).map_err(Failure::fatal);
    Ok((holding(other(wanted))?, holding(wanted)?))
}

fn other(storage: AudioStorage) -> AudioStorage {
    match storage {
        AudioStorage::Private => AudioStorage::Public,
        AudioStorage::Public | AudioStorage::Pds => AudioStorage::Private,
    }
}

#[cfg(test)]
mod tests;
