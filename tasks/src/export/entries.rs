//! From tracks to entries of the archive, one after the other.

use docket_core::{Error, ErrorKind, Failure, Timestamp};

use super::archive::Archive;
use super::job::ExportJob;
use super::manifest::Manifest;
use super::names::EntryNames;
use crate::{Buckets, Missing, Object, Track};

/// An archive being filled.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    archive: &'a mut Archive,
    buckets: &'a Buckets,
    job: &'a mut ExportJob,
    names: EntryNames,
    manifest: Manifest,
}

/// A track's audio in storage.
enum Audio {
    Found { extension: &'static str, object: Object },
    Missing(String),
}

impl<'a> Entries<'a> {
    pub(crate) fn new(archive: &'a mut Archive, buckets: &'a Buckets, job: &'a mut ExportJob) -> Self {
        Self { archive, buckets, job, names: EntryNames::without(&[Manifest::NAME]), manifest: Manifest::default() }
    }

    /// Writes every track, and the manifest as the last entry.
    pub(crate) async fn write(mut self, tracks: &[Track], now: Timestamp) -> Result<Manifest, Failure> {
        for (done, track) in tracks.iter().enumerate() {
            self.job.tracks(done, tracks.len()).await?;
            match find(self.buckets, track).await? {
                Audio::Found { extension, object } => self.copy(track, extension, object, done, tracks.len()).await?,
                Audio::Missing(reason) => {
                    tracing::warn!(track = track.id, reason, "track left out of the export");
                    self.manifest.missing(Missing { track_id: track.id, title: track.title.clone(), reason });
                }
            }
        }
        self.job.tracks(tracks.len(), tracks.len()).await?;
        self.archive.start(Manifest::NAME, now).await?;
        self.archive.write(self.manifest.to_string().as_bytes()).await?;
        Ok(self.manifest)
    }

    async fn copy(
        &mut self,
        track: &Track,
        extension: &str,
        mut object: Object,
        done: usize,
        total: usize,
    ) -> Result<(), Failure> {
        let name = self.names.take(&track.title, extension);
        self.archive.start(&name, track.created_at).await?;
        let mut sent = 0;
        while let Some(chunk) = object.next().await? {
            self.archive.write(&chunk).await?;
            sent += chunk.len() as u64;
            self.job.bytes(done, total, sent, object.bytes).await?;
        }
        if sent != object.bytes {
            let why = format!("it has {} bytes, {sent} came", object.bytes);
            return Err(Failure::from(Error::new(
                ErrorKind::Unavailable,
                format!("read the audio of track {}", track.id),
                why,
            )));
        }
        self.manifest.added(&name, &track.title, sent);
        Ok(())
    }
}

/// The lossless original if there is one, else the playable audio. Only an answer of the storage
/// makes a track missing; a storage that is down fails the run instead.
async fn find(buckets: &Buckets, track: &Track) -> docket_core::Result<Audio> {
    let places = match buckets.holding(track.storage) {
        Ok(storage) => [Some(storage), buckets.aside(track.storage)],
        Err(reason) => return Ok(Audio::Missing(reason.to_owned())),
    };
    let mut missing = "it has no audio".to_owned();
    for file in [&track.original, &track.audio].into_iter().flatten() {
        match file.extension().and_then(|extension| Ok((extension, file.key()?))) {
            Ok((extension, key)) => {
                for storage in places.into_iter().flatten() {
                    if let Some(object) = storage.read(&key).await? {
                        return Ok(Audio::Found { extension, object });
                    }
                }
                missing = format!("{key} is not in storage");
            }
            Err(error) => missing = error.to_string(),
        }
    }
    Ok(Audio::Missing(missing))
}
