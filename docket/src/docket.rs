//! What a service holds.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use docket_core::{Add, CancelAnswer, Client, Error, Result, Settings, Store, Task, UrlSource, Worker, worker};

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
/// docket.cancel("scan:42").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Docket {
    pub(crate) client: Client,
    /// What the environment says about workers, if the docket came from there.
    pub(crate) worker_settings: Option<Arc<Result<Settings>>>,
    #[cfg(feature = "memory")]
    pub(crate) fallback: Option<Arc<Keeper>>,
}

impl Docket {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            worker_settings: None,
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

    /// Adds a task; `.await` sends it. See [`Client::add`].
    ///
    /// # Cancel safety
    ///
    /// As [`Client::add`].
    pub fn add<T: Task>(&self, task: T) -> Add {
        self.client.add(task)
    }

    /// Places a task, or moves the queued one of the same key; `.await` sends it. See
    /// [`Client::schedule`].
    ///
    /// # Cancel safety
    ///
    /// As [`Client::add`].
    pub fn schedule<T: Task>(&self, task: T) -> Add {
        self.client.schedule(task)
    }

    /// Cancels a task: see [`Client::cancel`].
    ///
    /// # Errors
    ///
    /// `Invalid` for text that is not a valid key; otherwise the store's error.
    ///
    /// # Cancel safety
    ///
    /// As [`Client::cancel`].
    pub async fn cancel(&self, key: impl AsRef<str>) -> Result<CancelAnswer> {
        self.client.cancel(key).await
    }

    /// The output of a completed task: see [`Client::result`].
    ///
    /// ```no_run
    /// # async fn f<Greet: docket::Task<Output = String>>(docket: docket::Docket) -> docket::Result<()> {
    /// let greeting: Option<String> = docket.result::<Greet>("greet:ada").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::result`].
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub async fn result<T: Task<Output: DeserializeOwned>>(&self, key: impl AsRef<str>) -> Result<Option<T::Output>> {
        self.client.result::<T>(key).await
    }

    /// Adds and cancels tasks; also of types whose code this process lacks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The store itself, for reading and control.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.client.store()
    }

    /// Starts a builder for a worker on this docket. Its handlers add further tasks with
    /// [`Docket::client`]. Before an outbox, it relays the outbox as well.
    ///
    /// On a docket from the environment it has the settings of the environment, `DOCKET_WORKER_*`
    /// (see [`Settings::from_env`]); a mistake in them is reported by `build` or `run`.
    pub fn worker(&self) -> worker::Builder {
        let builder = Worker::builder(self.store().clone()).client(self.client.clone());
        #[cfg(feature = "postgres")]
        let builder = match self.outbox() {
            Some(outbox) => builder.companion(outbox.relay()),
            None => builder,
        };
        match self.worker_settings.as_deref() {
            None => builder,
            Some(Ok(settings)) => builder.settings(settings.clone()),
            Some(Err(error)) => builder.try_settings(Err(Error::config("build the worker", error.to_string()))),
        }
    }
}
