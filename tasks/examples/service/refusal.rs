//! Why a request was not done.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use docket::ErrorKind;
use serde_json::json;

/// A status and a sentence for the user.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl Refusal {
    pub(crate) fn not_found(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    pub(crate) fn forbidden(why: &str) -> Self {
        Self(StatusCode::FORBIDDEN, why.to_owned())
    }

    pub(crate) fn unprocessable(why: &str) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, why.to_owned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "detail": self.1 }))).into_response()
    }
}

/// The cause is for the log; the user can only try again.
fn failed(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "request failed");
    Refusal(StatusCode::SERVICE_UNAVAILABLE, "try again later".to_owned())
}

impl From<docket::Error> for Refusal {
    fn from(error: docket::Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid | ErrorKind::TooLarge => Self::unprocessable(&error.to_string()),
            _ => failed(&error.chain()),
        }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        failed(&error)
    }
}
