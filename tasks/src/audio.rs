//! Where the audio of a track is.

use docket_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// File types that are stored. The raw upload extension is kept: `aif` is not `aiff`.
const EXTENSIONS: [&str; 8] = ["mp3", "wav", "m4a", "aif", "aiff", "flac", "webm", "ogg"];

/// Audio in object storage, addressed by its content: two tracks with equal bytes share one object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AudioFile {
    /// The first 16 hex digits of the SHA-256 of the bytes.
    pub file_id: String,
    /// The extension, with or without a dot, in either case.
    pub file_type: String,
}

/// Which store holds the audio of a track.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioStorage {
    /// The public bucket.
    Public,
    /// The private bucket: gated tracks.
    Private,
    /// Only the artist's own PDS; none of our buckets has it.
    Pds,
}

impl AudioFile {
    /// Audio of this id and type.
    pub fn new(file_id: impl Into<String>, file_type: impl Into<String>) -> Self {
        Self { file_id: file_id.into(), file_type: file_type.into() }
    }

    /// Its object key: `audio/{file_id}.{ext}`. Refuses an unknown type, and an id that could leave the folder.
    pub fn key(&self) -> Result<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.file_id.is_empty() || !self.file_id.chars().all(plain) {
            return Err(Error::invalid("address audio", format!("invalid file id {:?}", self.file_id)));
        }
        Ok(format!("audio/{}.{}", self.file_id, self.extension()?))
    }

    /// Its media type, for browsers.
    pub(crate) fn media_type(&self) -> Result<&'static str> {
        Ok(match self.extension()? {
            "mp3" => "audio/mpeg",
            "wav" => "audio/wav",
            "m4a" => "audio/mp4",
            "flac" => "audio/flac",
            "webm" => "audio/webm",
            "ogg" => "audio/ogg",
            _ => "audio/aiff",
        })
    }

    /// Its extension in lower case, without a dot.
    pub fn extension(&self) -> Result<&'static str> {
        let wanted = self.file_type.trim_start_matches('.').to_ascii_lowercase();
        let known = EXTENSIONS.into_iter().find(|extension| *extension == wanted);
        known.ok_or_else(|| Error::invalid("address audio", format!("the file type {:?} is unknown", self.file_type)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_has_the_extension_in_lower_case_and_as_uploaded() {
        assert_eq!(AudioFile::new("9f3c", ".AIF").key().unwrap(), "audio/9f3c.aif");
        assert_eq!(AudioFile::new("9f3c", "aiff").key().unwrap(), "audio/9f3c.aiff");
    }

    #[test]
    fn an_id_that_could_leave_the_folder_and_an_unknown_type_are_refused() {
        for (id, file_type) in [("../secret", "mp3"), ("", "mp3"), ("a/b", "mp3"), ("9f3c", "exe"), ("9f3c", "")] {
            assert!(AudioFile::new(id, file_type).key().is_err(), "{id}.{file_type}");
        }
    }
}
