//! One object at a time: what is there, what is not, and buckets that are not.

use docket_core::ErrorKind;

use crate::server::{SECRET, Server};
use crate::world::{World, put, read};

#[tokio::test]
async fn what_is_not_there_is_an_answer_and_not_an_error() {
    let bucket = World::new().await.public();
    let key = "audio/absent.mp3";
    assert_eq!(bucket.size(key).await.unwrap(), None);
    assert!(bucket.read(key).await.unwrap().is_none());
    bucket.delete(key).await.unwrap();
}

#[tokio::test]
async fn an_object_is_read_as_it_was_written_until_it_is_taken_away() {
    let bucket = World::new().await.public();
    let key = "audio/there.mp3";
    put(&bucket, key, b"audio").await;
    assert_eq!((bucket.size(key).await.unwrap(), read(&bucket, key).await), (Some(5), Some(b"audio".to_vec())));
    bucket.delete(key).await.unwrap();
    assert_eq!((bucket.size(key).await.unwrap(), read(&bucket, key).await), (None, None));
}

#[tokio::test]
async fn an_empty_object_is_an_object() {
    let bucket = World::new().await.public();
    put(&bucket, "audio/empty.mp3", b"").await;
    assert_eq!(bucket.size("audio/empty.mp3").await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_holds_nothing_that_could_be_absent() {
    let world = World::new().await;
    let bucket = Server::bucket(&world.server.endpoint, "never-made", SECRET);
    for error in [
        bucket.size("audio/x.mp3").await.unwrap_err(),
        bucket.read("audio/x.mp3").await.unwrap_err(),
        bucket.delete("audio/x.mp3").await.unwrap_err(),
        bucket.upload("audio/x.mp3", "audio/mpeg", "x").await.unwrap_err(),
    ] {
        assert!(error.kind() == ErrorKind::Config && !error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("s3://never-made/audio/x.mp3"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_secret_opens_nothing_and_is_not_shown() {
    let world = World::new().await;
    put(&world.public(), "audio/x.mp3", b"audio").await;
    let bucket = Server::bucket(&world.server.endpoint, &world.names.public, "guessed-secret");
    for error in [
        bucket.size("audio/x.mp3").await.unwrap_err(),
        bucket.read("audio/x.mp3").await.unwrap_err(),
        bucket.delete("audio/x.mp3").await.unwrap_err(),
        bucket.upload("audio/y.mp3", "audio/mpeg", "y").await.unwrap_err(),
    ] {
        assert!(error.kind() == ErrorKind::Config && !error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("AWS_SECRET_ACCESS_KEY"), "{error}");
        assert!(!format!("{error:?}").contains("guessed-secret"), "{error:?}");
    }
    assert_eq!(read(&world.public(), "audio/x.mp3").await, Some(b"audio".to_vec()));
}
