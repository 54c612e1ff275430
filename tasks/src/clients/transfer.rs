//! Audio from one bucket to another.

use aws_lc_rs::digest::{Context, SHA256};
use docket_core::{Error, ErrorKind, Result};

use super::storage::Storage;
use crate::{AudioFile, AudioStorage};

/// The length of a file id that is a hash: 16 hex digits.
const HASHED_ID: usize = 16;

/// Makes sure that `to` has the audio, with its headers for browsers; true if it had to be copied.
///
/// # Errors
///
/// `NotFound`, for good, if neither bucket has it. Retryable: the storage is down, the copy
/// differs.
///
/// # Cancel safety
///
/// A dropped copy leaves nothing behind, or the whole object.
pub(crate) async fn transfer(from: &Storage, to: &Storage, file: &AudioFile, belongs: AudioStorage) -> Result<bool> {
    let key = file.key()?;
    // An upload appears whole or not at all, so an existing object is right.
    if to.size(&key).await?.is_some() {
        return Ok(false);
    }
    let Some(mut object) = from.read(&key).await? else {
        let why = format!("neither {} nor {} has it", from.address(&key), to.address(&key));
        return Err(Error::new(ErrorKind::NotFound, "move audio", why));
    };
    let mut upload = to.upload_audio(&key, file.media_type()?, belongs).await?;
    let (expected, mut hash) = (object.bytes, Context::new(&SHA256));
    let mut read = 0;
    while let Some(chunk) = object.next().await? {
        read += chunk.len() as u64;
        hash.update(&chunk);
        upload.write(&chunk).await?;
    }
    let wrong = if read != expected {
        Some(format!("it has {expected} bytes, {read} arrived"))
    } else if !is_named(file, hash.finish().as_ref()) {
        Some(format!("its bytes are not those that {key} is named after"))
    } else {
        None
    };
    match wrong {
        None => upload.finish().await.map(|_| true),
        Some(why) => {
            upload.abort().await;
            Err(Error::new(ErrorKind::Unavailable, format!("read {}", from.address(&key)), why))
        }
    }
}

/// A file id of another length is not a hash, and proves nothing.
fn is_named(file: &AudioFile, hash: &[u8]) -> bool {
    let is_hash = file.file_id.len() == HASHED_ID && file.file_id.bytes().all(|b| b.is_ascii_hexdigit());
    let start = hash.first_chunk().copied().map(u64::from_be_bytes);
    !is_hash || u64::from_str_radix(&file.file_id, 16).ok() == start
}
