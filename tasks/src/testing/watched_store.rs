//! Object storage that counts its calls and fails on command.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// The calls of a [`WatchedStore`], and its instructions.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Bytes of each part, in order of sending.
    pub(crate) parts: Mutex<Vec<usize>>,
    in_flight: AtomicUsize,
    pub(crate) in_flight_max: AtomicUsize,
    pub(crate) aborts: AtomicUsize,
    reads: Mutex<Reads>,
    /// Parts are never answered.
    pub(crate) stall_parts: AtomicBool,
    /// Parts fail.
    pub(crate) fail_parts: AtomicBool,
}

/// The fate of reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Reads {
    #[default]
    Fine,
    /// They are not answered.
    Fail,
    /// They break off in the middle.
    Break,
    /// They end early, as if that were all.
    Cut,
}

/// Memory, watched.
#[derive(Debug, Default, Clone)]
pub(crate) struct WatchedStore {
    objects: Arc<InMemory>,
    pub(crate) watch: Arc<Watch>,
}

impl WatchedStore {
    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.objects.put(&Path::from(key), bytes.into().into()).await.unwrap();
    }

    pub(crate) fn set_reads(&self, reads: Reads) {
        *self.watch.reads.lock().unwrap() = reads;
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Bytes> {
        self.objects.get(&Path::from(key)).await.ok()?.bytes().await.ok()
    }
}

impl fmt::Display for WatchedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchedStore")
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "watched", source: "connection reset".into() }
}

#[async_trait]
impl ObjectStore for WatchedStore {
    async fn put_opts(&self, to: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(to, payload, opts).await
    }

    async fn put_multipart_opts(&self, to: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.objects.put_multipart_opts(to, opts).await?;
        Ok(Box::new(WatchedUpload { upload, watch: self.watch.clone() }))
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.objects.get_opts(from, options).await?;
        let reads = *self.watch.reads.lock().unwrap();
        let begun = Ok(Bytes::from_static(b"aud"));
        match reads {
            Reads::Fine => {}
            Reads::Fail => return Err(broken()),
            Reads::Break => found.payload = GetResultPayload::Stream(stream::iter([begun, Err(broken())]).boxed()),
            Reads::Cut => found.payload = GetResultPayload::Stream(stream::iter([begun]).boxed()),
        }
        Ok(found)
    }

    fn delete_stream(&self, keys: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct WatchedUpload {
    upload: Box<dyn MultipartUpload>,
    watch: Arc<Watch>,
}

#[async_trait]
impl MultipartUpload for WatchedUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        self.watch.parts.lock().unwrap().push(part.content_length());
        let in_flight = self.watch.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.watch.in_flight_max.fetch_max(in_flight, Ordering::SeqCst);
        let (sending, watch) = (self.upload.put_part(part), self.watch.clone());
        async move {
            if watch.stall_parts.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            // Slow enough that the writer gets ahead if nothing holds it back.
            tokio::time::sleep(Duration::from_millis(5)).await;
            watch.in_flight.fetch_sub(1, Ordering::SeqCst);
            if watch.fail_parts.load(Ordering::SeqCst) { Err(broken()) } else { sending.await }
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.watch.aborts.fetch_add(1, Ordering::SeqCst);
        self.upload.abort().await
    }
}
