//! Genre classification: a model listens to a track; the genres are kept with the track, and made
//! into tags if its artist asked for that.
//!
//! The genres belong to one audio: if the track has other audio by the end, nothing is written. A
//! known result is not paid for again.

use std::time::Duration;

use docket_core::{Add, Backoff, Client, Context, Failure, Policy, Receipt, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::run::Run;
use crate::{AudioStorage, Genre, GenresAnswer, Services};

/// The most tags that a track gets automatically.
const TAGS_MAX: usize = 5;
/// A tag is at least this sure, beside the surest.
const TAG_SHARE: f64 = 0.5;

/// Classifies the audio `file_id` of a track.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassifyGenres {
    /// The track.
    pub track_id: i64,
    /// The audio it has when this is added. If it has other audio when this runs, there is nothing to do.
    pub file_id: String,
}

/// The result of a classification.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum GenresReport {
    /// The genres are known.
    Classified {
        /// The surest genre.
        top_genre: Option<String>,
        /// How many genres were heard.
        count: usize,
        /// Whether the track has them as tags.
        tagged: bool,
    },
    /// The track has other audio by now, which has a classification of its own.
    AudioReplaced,
    /// Nobody listens to this.
    Skipped {
        /// Why not.
        reason: String,
    },
}

/// The classification of a track's audio, to be added, e.g. in the caller's transaction. Adding it twice is harmless.
pub fn genre_classification(client: &Client, track_id: i64, file_id: &str) -> Add {
    let task = ClassifyGenres { track_id, file_id: file_id.to_owned() };
    client.add(task).key(format!("genres:{track_id}:{file_id}"))
}

/// Adds the classification of a track's audio. Adding it twice is harmless.
#[tracing::instrument(name = "scheduled genre classification via docket", skip_all, fields(track_id = track_id))]
pub async fn schedule_genre_classification(
    client: &Client,
    track_id: i64,
    file_id: &str,
) -> docket_core::Result<Receipt> {
    let receipt = genre_classification(client, track_id, file_id).await?;
    tracing::info!(track_id, "scheduled genre classification via docket");
    Ok(receipt)
}

impl Task for ClassifyGenres {
    const NAME: &'static str = "classify_genres";
    type Output = GenresReport;

    fn policy() -> Policy {
        Policy {
            max_attempts: 5,
            backoff: Backoff { base: Duration::from_secs(10), max: Duration::from_mins(30) },
            // The wait for a cold model included.
            timeout: Duration::from_mins(5),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<GenresReport, Failure> {
        let services = ctx.state::<Services>()?;
        Run::of(&ctx).unless_cancelled(self.classify(&services)).await
    }
}

impl ClassifyGenres {
    pub(crate) async fn classify(&self, services: &Services) -> Result<GenresReport, Failure> {
        let Some(replicate) = &services.replicate else {
            return Ok(skipped("classification is disabled"));
        };
        let track = services.catalogue.track(self.track_id).await?;
        let track = track.ok_or_else(|| Failure::fatal(format!("there is no track {}", self.track_id)))?;
        if track.audio.as_ref().is_none_or(|audio| audio.file_id != self.file_id) {
            return Ok(GenresReport::AudioReplaced);
        }
        let (Some(url), AudioStorage::Public) = (&track.audio_url, track.storage) else {
            return Ok(skipped("the audio has no public address"));
        };
        let known = services.catalogue.genres(self.track_id, &self.file_id).await?;
        let genres = match known {
            Some(genres) => genres,
            None => genres(&replicate.genres(url).await?),
        };
        let kept = services.catalogue.keep_genres(self.track_id, &self.file_id, &genres, &tags(&genres)).await;
        Ok(match kept? {
            GenresAnswer::AudioReplaced => GenresReport::AudioReplaced,
            GenresAnswer::Kept { tagged } => {
                let top_genre = genres.first().map(|genre| genre.name.clone());
                tracing::info!(track_id = self.track_id, top_genre, "classified genres for track");
                GenresReport::Classified { top_genre, count: genres.len(), tagged }
            }
        })
    }
}

fn skipped(reason: &str) -> GenresReport {
    GenresReport::Skipped { reason: reason.to_owned() }
}

/// `Genre---Subgenre` is two genres; each once, with its highest score, the surest first.
fn genres(labels: &Map<String, Value>) -> Vec<Genre> {
    let mut found: Vec<Genre> = Vec::new();
    for (label, score) in labels {
        let Some(score) = score.as_f64().filter(|score| score.is_finite()) else { continue };
        let confidence = (score * 10_000.0).round() / 10_000.0;
        for name in label.split("---").map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty()) {
            match found.iter_mut().find(|genre| genre.name == name) {
                Some(genre) => genre.confidence = genre.confidence.max(confidence),
                None => found.push(Genre { name, confidence }),
            }
        }
    }
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then_with(|| a.name.cmp(&b.name)));
    found
}

/// The `genres` that are worth a tag.
fn tags(genres: &[Genre]) -> Vec<String> {
    let least = genres.first().map_or(0.0, |top| top.confidence * TAG_SHARE);
    let sure = genres.iter().filter(|genre| genre.confidence >= least).take(TAGS_MAX);
    sure.map(|genre| genre.name.clone()).collect()
}

#[cfg(test)]
mod tests;
