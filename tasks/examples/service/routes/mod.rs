//! The routes, by subject. Each writes rows, adds the tasks that follow, and answers without
//! waiting for them.

mod albums;
mod comments;
mod exports;
mod likes;
mod login;
mod progress;
mod tracks;

use axum::Router;
use axum::routing::{delete, get, patch, post};

use super::app::App;

/// All of them.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/tracks", post(tracks::upload))
        .route("/tracks/{id}", patch(tracks::gate))
        .route("/tracks/{id}/play", post(tracks::play))
        .route("/tracks/{id}/like", post(likes::like).delete(likes::unlike))
        .route("/tracks/{id}/comments", post(comments::create))
        .route("/tracks/comments/{id}", patch(comments::edit).delete(comments::delete))
        .route("/albums", post(albums::make))
        .route("/albums/{id}/tracks", post(albums::join))
        .route("/albums/{id}/tracks/{track_id}", delete(albums::leave))
        .route("/exports/media", post(exports::start))
        .route("/exports/{id}/progress", get(progress::watch))
        .route("/exports/{id}/download", get(exports::download))
        .route("/auth/callback", post(login::callback))
        .with_state(app)
}
