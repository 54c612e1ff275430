//! The errors of object storage, by what the caller can do.

use docket_core::{Error, ErrorKind, Retryable};

/// Not there, as opposed to: no such bucket, which S3 says with the same status.
pub(crate) fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && !cause(error).contains("NoSuchBucket")
}

/// Classifies the errors of object storage by what the caller can do.
pub(crate) fn error(source: &object_store::Error, verb: &str, what: &str) -> Error {
    use object_store::Error as Source;
    let operation = format!("{verb} {what}");
    let error = match source {
        // A bucket or folder that is not there does not come by waiting.
        Source::NotFound { .. } => Error::config(operation, "the bucket, the folder or the upload is not there"),
        Source::PermissionDenied { .. } | Source::Unauthenticated { .. } => {
            Error::config(operation, "the storage refuses our key: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        Source::InvalidPath { .. } => Error::invalid(operation, "the key is not a path"),
        Source::NotSupported { .. } | Source::NotImplemented { .. } | Source::UnknownConfigurationKey { .. } => {
            Error::new(ErrorKind::Unsupported, operation, "the storage cannot do that")
        }
        // Everything else is a connection, a server or a disk, and may be well again later.
        _ => Error::new(ErrorKind::Unavailable, operation, "the storage failed").retryable(Retryable::Yes),
    };
    error.with_source(cause(source))
}

/// The innermost cause, on one line. Of an S3 error only code and message: the rest of it can name our key.
fn cause(error: &object_store::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        (None, _) => text.lines().next().unwrap_or_default().to_owned(),
    }
}
