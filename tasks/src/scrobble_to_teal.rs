//! Teal scrobble: the play of a track, and during it the listener's current track.
//!
//! The request that reports the play sets the play time, and the record key derives from it, so a
//! repeated run writes the same play. The status is one record that every play replaces: an old one
//! never replaces a newer one, and a play that has ended is left out. Neither write waits for the
//! other to succeed.

use std::time::Duration;

use docket_core::{Add, Client, Context, Failure, Policy, Receipt, Result, Task, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pds::{ATTEMPTS_MAX, backoff, failure, time};
use crate::{AtUri, Pds, PdsError, PdsNames, Played, Services, StrongRef, Swap, Tid};

/// How long a status is valid, and the longest that a track counts as playing now.
const NOW: Duration = Duration::from_mins(10);
/// How often a status is read again because of a concurrent write.
const ROUNDS_MAX: usize = 3;

/// Reports one play of a track.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScrobbleToTeal {
    /// The listener.
    pub did: String,
    /// To what.
    pub track_id: i64,
    /// When, by the clock of the service that got the report.
    pub played_at: Timestamp,
}

/// The result of a play.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ScrobbleReport {
    /// It is reported.
    Reported {
        /// The play.
        play: StrongRef,
        /// The current track.
        status: StatusReport,
    },
    /// The listener does not want plays reported any more.
    Unwanted,
}

/// The result of the status.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusReport {
    /// It shows the current track.
    Written,
    /// The track is over: nothing was written.
    Stale,
    /// It shows a later track: nothing was written.
    Superseded,
    /// The PDS will not have it.
    Refused(String),
}

impl ScrobbleToTeal {
    /// The task about to be added: await it, or send it in the transaction that counts the play.
    pub fn add(client: &Client, did: &str, track_id: i64, played_at: Timestamp) -> Add {
        let task = Self { did: did.to_owned(), track_id, played_at };
        let key = task.key();
        client.add(task).key(key)
    }
}

/// Adds the report of a play at `played_at`. Adding it twice is harmless.
#[tracing::instrument(name = "scheduled teal scrobble via docket", skip_all, fields(track_id = track_id))]
pub async fn schedule_teal_scrobble(
    client: &Client,
    did: &str,
    track_id: i64,
    played_at: Timestamp,
) -> Result<Receipt> {
    let receipt = ScrobbleToTeal::add(client, did, track_id, played_at).await?;
    tracing::info!(track_id, "scheduled teal scrobble via docket");
    Ok(receipt)
}

impl Task for ScrobbleToTeal {
    const NAME: &'static str = "scrobble_to_teal";
    type Output = ScrobbleReport;

    fn policy() -> Policy {
        Policy {
            max_attempts: ATTEMPTS_MAX,
            backoff: backoff(),
            // Above what its calls may take, each with a deadline of its own.
            timeout: Duration::from_mins(2),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<ScrobbleReport, Failure> {
        let services = ctx.state::<Services>()?;
        let pds = services.pds()?;
        let played = pds.social.played(&self.did, self.track_id).await?;
        let played = played.ok_or_else(|| Failure::fatal(format!("there is no track {}", self.track_id)))?;
        if !played.is_wanted {
            return Ok(ScrobbleReport::Unwanted);
        }
        let play = self.report_play(pds, &played).await;
        let status = self.report_status(pds, &played, ctx.lease().leased_at).await;
        let ended = |error| failure(error, &ctx);
        let play = play.map_err(ended)?;
        let status = match status {
            Err(error @ (PdsError::Permanent(_) | PdsError::LoggedOut(_))) => {
                tracing::warn!(track_id = self.track_id, %error, "play reported, status refused");
                StatusReport::Refused(error.to_string())
            }
            status => status.map_err(ended)?,
        };
        Ok(ScrobbleReport::Reported { play, status })
    }
}

impl ScrobbleToTeal {
    fn key(&self) -> String {
        format!("play:{}:{}:{}", self.did, self.track_id, self.played_at.as_micros())
    }

    /// Runs it now, if it waits.
    pub(crate) async fn wake(client: &Client, task: Self) -> Result<Receipt> {
        let key = task.key();
        client.schedule(task).key(key).await
    }

    async fn report_play(&self, pds: &Pds, played: &Played) -> Result<StrongRef, PdsError> {
        let uri = AtUri::new(&self.did, &pds.names.teal_play, Tid::at(self.played_at))?;
        let mut record = self.item(&pds.names, played);
        record["$type"] = Value::String(pds.names.teal_play.clone());
        pds.atproto.put_record(&uri, &record, Swap::Any).await
    }

    async fn report_status(&self, pds: &Pds, played: &Played, now: Timestamp) -> Result<StatusReport, PdsError> {
        let lasts = played.length.unwrap_or(NOW).min(NOW);
        if now > self.played_at.plus(lasts) {
            return Ok(StatusReport::Stale);
        }
        let record = json!({
            "$type": pds.names.teal_status,
            "time": time(self.played_at),
            "expiry": time(self.played_at.plus(NOW)),
            "item": self.item(&pds.names, played),
        });
        let uri = AtUri::new(&self.did, &pds.names.teal_status, "self")?;
        let mut rounds = 0;
        loop {
            rounds += 1;
            let kept = pds.atproto.get_record(&uri).await?;
            if kept.as_ref().is_some_and(|kept| is_later(&kept.value["time"], self.played_at)) {
                return Ok(StatusReport::Superseded);
            }
            let swap = kept.as_ref().map_or(Swap::Absent, |kept| Swap::At(&kept.cid));
            match pds.atproto.put_record(&uri, &record, swap).await {
                Err(PdsError::InvalidSwap(_)) if rounds < ROUNDS_MAX => {}
                put => return put.map(|_| StatusReport::Written),
            }
        }
    }

    /// The play, as both records tell it.
    fn item(&self, names: &PdsNames, played: &Played) -> Value {
        let mut item = json!({
            "trackName": played.title,
            "artists": [{ "artistName": played.artist_name }],
            "playedTime": time(self.played_at),
            "musicServiceUri": "https://plyr.fm",
            "submissionClientAgent": "plyr.fm/1.0",
            "originUri": format!("{}/track/{}", names.frontend_url.trim_end_matches('/'), self.track_id),
        });
        if let Some(length) = played.length {
            item["duration"] = length.as_secs().into();
        }
        if let Some(album) = &played.album_title {
            item["releaseName"] = Value::String(album.clone());
        }
        item
    }
}

fn is_later(time: &Value, moment: Timestamp) -> bool {
    let time: Option<jiff::Timestamp> = time.as_str().and_then(|text| text.parse().ok());
    time.is_some_and(|time| time.as_microsecond() > moment.as_micros())
}
