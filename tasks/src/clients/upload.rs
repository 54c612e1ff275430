//! One object, written in parts of equal size, that appears whole or not at all.

use std::mem;

use bytes::{Bytes, BytesMut};
use docket_core::{Error, ErrorKind, Result};
use object_store::MultipartUpload;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::storage_error::error;

/// Bytes of a part. Cloudflare R2 wants all but the last of equal size; S3 wants at least 5 MiB.
pub const PART_BYTES: usize = 8 << 20;
/// Parts sent concurrently. Together with the one being filled, they are the memory of an upload.
pub const PARTS_IN_FLIGHT_MAX: usize = 2;
/// Parts of one upload: the protocol's limit, about 78 GiB here.
const PARTS_MAX: u32 = 10_000;

/// An upload in progress. Nothing is visible before [`Upload::finish`]; after an abort, or when it is dropped, no part
/// stays behind. (A killed process leaves its parts to the bucket's lifecycle rule, seven days at R2.)
#[derive(Debug)]
pub struct Upload {
    /// Taken by the end of the upload.
    parts: Option<Box<dyn MultipartUpload>>,
    in_flight: JoinSet<object_store::Result<()>>,
    filling: BytesMut,
    sent: u32,
    bytes: u64,
    to: String,
}

impl Upload {
    pub(crate) fn new(parts: Box<dyn MultipartUpload>, to: String) -> Self {
        Self { parts: Some(parts), in_flight: JoinSet::new(), filling: BytesMut::new(), sent: 0, bytes: 0, to }
    }

    /// Appends `data`, and waits while [`PARTS_IN_FLIGHT_MAX`] parts are on their way.
    ///
    /// # Cancel safety
    ///
    /// A dropped write may have taken a piece of `data`; only an abort can follow.
    pub async fn write(&mut self, mut data: &[u8]) -> Result<()> {
        self.bytes += data.len() as u64;
        while !data.is_empty() {
            let (head, rest) = data.split_at(data.len().min(PART_BYTES - self.filling.len()));
            self.filling.extend_from_slice(head);
            data = rest;
            if self.filling.len() == PART_BYTES {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Makes the object visible, replacing one of the same key; gives its size.
    ///
    /// # Cancel safety
    ///
    /// A dropped finish may or may not have made the object visible, whole.
    pub async fn finish(mut self) -> Result<u64> {
        if !self.filling.is_empty() || self.sent == 0 {
            self.send().await?;
        }
        self.wait_below(1).await?;
        if let Some(parts) = self.parts.as_mut() {
            parts.complete().await.map_err(|e| error(&e, "finish the upload to", &self.to))?;
        }
        self.parts = None;
        Ok(self.bytes)
    }

    /// Deletes every part sent so far.
    ///
    /// # Cancel safety
    ///
    /// If dropped, it continues in the background.
    pub async fn abort(mut self) {
        if let Some(parts) = self.parts.take() {
            // The task ends without being awaited; a failure to wait for it changes nothing.
            let _ = tokio::spawn(take_back(parts, mem::take(&mut self.in_flight), self.to.clone())).await;
        }
    }

    async fn send(&mut self) -> Result<()> {
        self.wait_below(PARTS_IN_FLIGHT_MAX).await?;
        if self.sent == PARTS_MAX {
            let bytes_max = PART_BYTES as u64 * u64::from(PARTS_MAX);
            let why = format!("it has more than {bytes_max} bytes ({PARTS_MAX} parts)");
            return Err(Error::new(ErrorKind::TooLarge, format!("upload to {}", self.to), why));
        }
        let part: Bytes = mem::replace(&mut self.filling, BytesMut::with_capacity(PART_BYTES)).freeze();
        if let Some(parts) = self.parts.as_mut() {
            self.in_flight.spawn(parts.put_part(part.into()));
            self.sent += 1;
        }
        Ok(())
    }

    async fn wait_below(&mut self, count: usize) -> Result<()> {
        while self.in_flight.len() >= count {
            let Some(ended) = self.in_flight.join_next().await else { break };
            ended.map_err(object_store::Error::from).flatten().map_err(|e| error(&e, "upload a part to", &self.to))?;
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), Handle::try_current()) {
            runtime.spawn(take_back(parts, mem::take(&mut self.in_flight), self.to.clone()));
        }
    }
}

async fn take_back(mut parts: Box<dyn MultipartUpload>, mut in_flight: JoinSet<object_store::Result<()>>, to: String) {
    // Order matters: a part that arrives after the abort would stay.
    in_flight.shutdown().await;
    if let Err(error) = parts.abort().await {
        tracing::warn!(to, %error, "upload not taken back; its parts stay until the bucket's lifecycle rule");
    }
}
