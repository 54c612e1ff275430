//! What a service holds.

use std::sync::Arc;

use docket_core::{Client, Store, UrlSource, Worker, worker};

use crate::Connect;
#[cfg(feature = "memory")]
use crate::fallback::Keeper;

/// A docket in a store. Cheap to clone; clones share their connections.
///
/// ```no_run
/// # async fn f() -> docket::Result<()> {
/// use docket::Docket;
///
/// let docket = Docket::connect("redis://localhost:6379/0").name("plyr").await?;
/// docket.client().cancel(&docket::Key::new("scan:42")?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Docket {
    pub(crate) client: Client,
    #[cfg(feature = "memory")]
    pub(crate) fallback: Option<Arc<Keeper>>,
}

impl Docket {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            #[cfg(feature = "memory")]
            fallback: None,
        }
    }

    /// Opens the docket in the store at `url`; `.await` does it. [`Connect`] has what can be set before. A URL in a file
    /// ([`UrlSource::File`]) is read again for each connection.
    ///
    /// # Errors
    ///
    /// `Config` for a URL that cannot be served, with the reason and what to write instead; `Unavailable` for a server
    /// that cannot be reached within [`Connect::patience`]; `Refused` for a wrong password. No error carries the user or the
    /// password.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub fn connect(url: impl Into<UrlSource>) -> Connect {
        Connect::to(url.into())
    }

    /// Opens the docket that the environment names; `.await` does it.
    ///
    /// `DOCKET_URL` (unset: in memory, which is said once in the log) or `DOCKET_URL_FILE`, a file that holds it, `DOCKET_NAME`
    /// (unset: `default`), `DOCKET_PATIENCE` (see [`Connect::patience`]), `DOCKET_ACCEPT_EVICTION` (`true` to start on a server
    /// that may evict tasks) and `DOCKET_OUTBOX_URL` or `DOCKET_OUTBOX_URL_FILE` (unset: no outbox; see [`Connect::outbox`]).
    ///
    /// # Errors
    ///
    /// As [`Docket::connect`].
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub fn from_env() -> Connect {
        Connect::from_vars(|name| std::env::var(name).ok())
    }

    /// Adds and cancels tasks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The store itself, for reading and control.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.client.store()
    }

    /// Starts a builder for a worker on this docket. Its handlers add further tasks with
    /// [`Docket::client`]. Before an outbox, it relays the outbox as well.
    pub fn worker(&self) -> worker::Builder {
        let builder = Worker::builder(self.store().clone()).client(self.client.clone());
        #[cfg(feature = "postgres")]
        if let Some(outbox) = self.outbox() {
            return builder.companion(outbox.relay());
        }
        builder
    }
}
