//! A ZIP archive that is uploaded while it is written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use docket_core::{Error, ErrorKind, Result, Timestamp};
use jiff::tz::Offset;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::Upload;

/// Bytes passed to the ZIP writer at a time: one checksum step must not block the runtime for
/// longer.
const PIECE_BYTES: usize = 64 << 10;

/// Entries stored as they are (audio does not compress), one after the other, straight into the parts of an upload.
/// Holds no more than the upload does, and a piece.
#[derive(Debug)]
pub(crate) struct Archive {
    zip: ZipWriter<StreamWriter<Outbox>>,
    outbox: Outbox,
    upload: Upload,
}

impl Archive {
    pub(crate) fn new(upload: Upload) -> Self {
        let outbox = Outbox::default();
        Self { zip: ZipWriter::new_stream(outbox.clone()), outbox, upload }
    }

    /// Ends the entry before, if any, and starts one.
    pub(crate) async fn start(&mut self, name: &str, modified: Timestamp) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(date(modified))
            // The size is written before the bytes have passed; without this a write fails at 4 GiB.
            .large_file(true);
        self.zip.start_file(name, options).map_err(broken)?;
        self.send().await
    }

    /// Appends to the entry that was started last.
    pub(crate) async fn write(&mut self, data: &[u8]) -> Result<()> {
        for piece in data.chunks(PIECE_BYTES) {
            self.zip.write_all(piece).map_err(|e| broken(e.into()))?;
            self.send().await?;
        }
        Ok(())
    }

    /// Writes the directory and makes the archive visible; gives its size.
    pub(crate) async fn finish(self) -> Result<u64> {
        let Self { zip, outbox, mut upload } = self;
        zip.finish().map_err(broken)?;
        upload.write(&outbox.take()).await?;
        upload.finish().await
    }

    /// Takes everything back.
    pub(crate) async fn abort(self) {
        self.upload.abort().await;
    }

    async fn send(&mut self) -> Result<()> {
        self.upload.write(&self.outbox.take()).await
    }
}

/// Where the ZIP writer, which knows nothing of waiting, leaves its bytes.
#[derive(Clone, Debug, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Outbox {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The outbox takes every byte, so only a name or a size can be wrong.
fn broken(error: zip::result::ZipError) -> Error {
    Error::new(ErrorKind::Internal, "write the archive", "the entry cannot be written").with_source(error)
}

/// ZIP dates go from 1980 to 2107, without a zone (here UTC); a time outside has none.
fn date(moment: Timestamp) -> DateTime {
    let civil = jiff::Timestamp::from_microsecond(moment.as_micros()).map(|moment| Offset::UTC.to_datetime(moment));
    let fields = civil.ok().and_then(|at| {
        let [month, day, hour, minute, second] =
            [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(i8::unsigned_abs);
        DateTime::from_date_and_time(u16::try_from(at.year()).ok()?, month, day, hour, minute, second).ok()
    });
    fields.unwrap_or_default()
}
