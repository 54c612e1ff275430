//! A server on loopback, for as long as the process lives.

use axum::Router;

use crate::end::End;

/// Serves it; gives its address.
pub(super) async fn serve(router: Router) -> Result<String, End> {
    let failed = |error| End::failed(format!("could not listen on loopback: {error}"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}
