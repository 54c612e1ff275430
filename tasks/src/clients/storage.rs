//! Object storage: a bucket of Cloudflare R2 (or another S3) or a folder.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use docket_core::{Error, Result};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, ClientOptions, ObjectStore, ObjectStoreExt, PutMultipartOptions, RetryConfig,
};
use url::Url;

use super::secret::Secret;
use super::storage_error::{error, is_absent};
use super::upload::Upload;
use crate::AudioStorage;

/// How long a server may be silent, including the sending of one part. A whole request has no
/// limit: a long recording takes as long as it needs.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries of one request, inside one attempt of the task.
const REQUEST_RETRIES_MAX: usize = 4;
/// How long they may take together.
const REQUEST_RETRY_TIMEOUT: Duration = Duration::from_mins(1);

/// A bucket or a folder. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Storage {
    objects: Arc<dyn ObjectStore>,
    kind: Kind,
    /// The URL it was opened by, which carries no secret.
    location: String,
}

#[derive(Clone)]
enum Kind {
    Bucket(Arc<AmazonS3>),
    Folder(PathBuf),
    Other,
}

/// The credentials of a bucket.
#[derive(Clone, Debug)]
pub struct Access {
    /// The server, e.g. `https://{account}.r2.cloudflarestorage.com`; none means AWS.
    pub endpoint: Option<String>,
    /// `AWS_ACCESS_KEY_ID`.
    pub key_id: Secret,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Secret,
    /// The region; R2 calls its own `auto`.
    pub region: String,
}

/// An object being read.
pub struct Object {
    /// How many bytes it has.
    pub bytes: u64,
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    from: String,
}

impl Storage {
    /// Opens `s3://bucket` with `access`, or the folder `file:///path`, which must exist.
    pub fn open(location: &str, access: Option<&Access>) -> Result<Self> {
        let refuse = |why: &str| Error::config(format!("open the storage {location}"), why);
        let url = Url::parse(location).map_err(|e| refuse(&e.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::config("open a storage", "its address must carry no user or password"));
        }
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| refuse("it must be file:///an/absolute/path"))?;
                let objects = LocalFileSystem::new_with_prefix(&folder)
                    .map_err(|e| refuse("there is no such folder").with_source(e))?;
                Ok(Self { objects: Arc::new(objects), kind: Kind::Folder(folder), location: trimmed(location) })
            }
            "s3" => {
                let access = access.ok_or_else(|| refuse("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set"))?;
                let name = url.host_str().filter(|name| !name.is_empty()).ok_or_else(|| refuse("it has no bucket"))?;
                let bucket = bucket(name, access).map_err(|e| refuse("it cannot be set up").with_source(e))?;
                let bucket = Arc::new(bucket);
                Ok(Self { objects: bucket.clone(), kind: Kind::Bucket(bucket), location: trimmed(location) })
            }
            other => Err(refuse(&format!("{other}:// is unknown; s3:// and file:// are supported"))),
        }
    }

    /// Storage made elsewhere, shown as `location`.
    pub fn from_store(objects: Arc<dyn ObjectStore>, location: impl Into<String>) -> Self {
        Self { objects, kind: Kind::Other, location: location.into() }
    }

    /// Where `key` is, for people and logs.
    pub fn address(&self, key: &str) -> String {
        format!("{}/{key}", self.location)
    }

    /// Starts reading an object; `None` if the storage answered that it has none.
    ///
    /// # Errors
    ///
    /// Retryable unless the bucket is missing or refuses us.
    pub async fn read(&self, key: &str) -> Result<Option<Object>> {
        let from = self.address(key);
        match self.objects.get(&path(key)?).await {
            Ok(found) => Ok(Some(Object { bytes: found.meta.size, chunks: found.into_stream(), from })),
            Err(e) if is_absent(&e) && !self.folder_is_gone() => Ok(None),
            Err(e) => Err(error(&e, "read", &from)),
        }
    }

    /// How many bytes an object has; `None` if the storage answered that it has none.
    ///
    /// # Errors
    ///
    /// As [`Storage::read`].
    pub async fn size(&self, key: &str) -> Result<Option<u64>> {
        match self.objects.head(&path(key)?).await {
            Ok(found) => Ok(Some(found.size)),
            // The answer to a HEAD has no body, so it does not tell whether the bucket exists. The
            // answer to a GET does.
            Err(e) if is_absent(&e) => Ok(self.read(key).await?.map(|object| object.bytes)),
            Err(e) => Err(error(&e, "look at", &self.address(key))),
        }
    }

    /// Deletes an object. A missing one is not an error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.objects.delete(&path(key)?).await {
            Ok(()) => Ok(()),
            Err(e) if is_absent(&e) && !self.folder_is_gone() => Ok(()),
            Err(e) => Err(error(&e, "delete", &self.address(key))),
        }
    }

    /// Starts writing audio, as browsers play it: public audio is kept by every cache, for it is named after its bytes.
    pub(crate) async fn upload_audio(&self, key: &str, media_type: &str, belongs: AudioStorage) -> Result<Upload> {
        let caching = match belongs {
            AudioStorage::Public => "public, max-age=31536000, immutable",
            AudioStorage::Private | AudioStorage::Pds => "private, no-store",
        };
        let attributes = [(Attribute::ContentType, media_type), (Attribute::CacheControl, caching)];
        self.start(key, attributes.map(|(attribute, value)| (attribute, value.to_owned()))).await
    }

    /// Starts writing an object, to be sent to browsers as a download of the name `filename`.
    pub async fn upload(&self, key: &str, content_type: &str, filename: &str) -> Result<Upload> {
        let disposition = format!("attachment; filename=\"{filename}\"");
        let attributes =
            [(Attribute::ContentType, content_type.to_owned()), (Attribute::ContentDisposition, disposition)];
        self.start(key, attributes).await
    }

    async fn start(&self, key: &str, attributes: [(Attribute, String); 2]) -> Result<Upload> {
        let to = self.address(key);
        if self.folder_is_gone() {
            return Err(Error::config(format!("upload to {to}"), "its folder is gone"));
        }
        let attributes = match &self.kind {
            // A folder has nowhere to keep them.
            Kind::Folder(_) => Attributes::new(),
            Kind::Bucket(_) | Kind::Other => attributes.into_iter().collect(),
        };
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let parts = self.objects.put_multipart_opts(&path(key)?, options).await;
        Ok(Upload::new(parts.map_err(|e| error(&e, "upload to", &to))?, to))
    }

    /// An address from which anyone can download `key` for this long: made when asked for, never stored.
    pub async fn download_url(&self, key: &str, valid_for: Duration) -> Result<String> {
        match &self.kind {
            Kind::Bucket(bucket) => {
                let url = bucket.signed_url(reqwest::Method::GET, &path(key)?, valid_for).await;
                Ok(url.map_err(|e| error(&e, "sign an address of", &self.address(key)))?.into())
            }
            Kind::Folder(_) | Kind::Other => Ok(self.address(key)),
        }
    }

    pub(crate) fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder(_))
    }

    fn folder_is_gone(&self) -> bool {
        matches!(&self.kind, Kind::Folder(folder) if !FilePath::is_dir(folder))
    }
}

impl Object {
    /// The next piece.
    ///
    /// # Errors
    ///
    /// Retryable: the connection broke in the middle, and going on from there failed as well.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.chunks.next().await.transpose().map_err(|e| error(&e, "read", &self.from))
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.location)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({}, {} bytes)", self.from, self.bytes)
    }
}

fn bucket(name: &str, access: &Access) -> object_store::Result<AmazonS3> {
    let plain_http = access.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_allow_http(plain_http);
    let retry = RetryConfig {
        max_retries: REQUEST_RETRIES_MAX,
        retry_timeout: REQUEST_RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    let builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(&access.region)
        .with_access_key_id(access.key_id.reveal())
        .with_secret_access_key(access.secret.reveal())
        .with_client_options(client)
        .with_retry(retry);
    match &access.endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    }
    .build()
}

fn path(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|e| Error::invalid("address an object", e.to_string()))
}

fn trimmed(location: &str) -> String {
    location.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use docket_core::ErrorKind;

    use super::*;

    /// A bucket on a server that answers everything with `status` and the S3 error `code`.
    async fn bucket_answering(status: StatusCode, code: &'static str) -> Storage {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        let body = format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>Look.</Message>\
             <AWSAccessKeyId>key-id-abc</AWSAccessKeyId></Error>"
        );
        let answer = move || async move { (status, body) };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let (key_id, secret) = (Secret::new("key-id-abc"), Secret::new("very-secret"));
        Storage::open("s3://audio", Some(&Access { endpoint, key_id, secret, region: "auto".to_owned() })).unwrap()
    }

    #[tokio::test]
    async fn an_object_that_is_not_there_is_an_answer_and_a_bucket_that_is_not_there_is_an_error() {
        let storage = bucket_answering(StatusCode::NOT_FOUND, "NoSuchKey").await;
        assert!(storage.read("audio/x.mp3").await.unwrap().is_none());
        let storage = bucket_answering(StatusCode::NOT_FOUND, "NoSuchBucket").await;
        let error = storage.read("audio/x.mp3").await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && !error.is_retryable(), "{error:?}");
        let error = storage.upload("exports/e.zip", "application/zip", "e.zip").await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("s3://audio/exports/e.zip"));
    }

    #[tokio::test]
    async fn a_refused_key_is_for_good_and_shows_no_secret() {
        let storage = bucket_answering(StatusCode::FORBIDDEN, "InvalidAccessKeyId").await;
        let error = storage.read("audio/x.mp3").await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && !error.is_retryable(), "{error:?}");
        let shown = format!("{error:?} {error} {storage:?}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && shown.contains("InvalidAccessKeyId: Look."), "{shown}");
        assert!(!shown.contains("very-secret") && !shown.contains("key-id-abc"), "{shown}");
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        let error = Storage::open("s3://user:very-secret@audio", None).unwrap_err();
        assert!(!format!("{error:?}").contains("very-secret"));
    }
}
