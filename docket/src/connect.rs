//! One URL picks the store.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::time::Duration;

use docket_core::shown::quoted;
use docket_core::{Client, DocketName, Error, Result, Store, limits};

use crate::Docket;
use crate::address::{Backend, backend_of};
use crate::outbox;

/// Said once per process, however many dockets it opens.
static NOT_DURABLE: Once = Once::new();

/// A docket about to be opened; `.await` opens it.
#[must_use = "a docket is opened when it is awaited"]
pub struct Connect {
    url: String,
    /// The first mistake made on the way, told when it is opened.
    name: Result<DocketName>,
    admit: Admit,
    migrating: Migrating,
    patience: Option<Duration>,
    payload_bytes_max: usize,
    outbox: Option<String>,
}

/// Which servers will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Admit {
    /// Those that keep what they are given.
    Safe,
    /// Those as well that may evict it.
    Evicting,
    /// Any: the server is not looked at.
    Any,
}

/// Whether a schema that is missing or old is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Migrating {
    First,
    Never,
}

impl Connect {
    pub(crate) fn to(url: String) -> Self {
        Self {
            url,
            name: Ok(DocketName::default()),
            admit: Admit::Safe,
            migrating: Migrating::First,
            patience: None,
            payload_bytes_max: limits::PAYLOAD_BYTES_MAX,
            outbox: None,
        }
    }

    /// Reads the variables of [`Docket::from_env`] from `lookup`. An empty value counts as unset.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| lookup(name).filter(|text| !text.trim().is_empty());
        let url = text("DOCKET_URL").unwrap_or_else(|| {
            NOT_DURABLE.call_once(|| {
                tracing::warn!(
                    "DOCKET_URL is not set: tasks live in memory, durability is off, no other process sees them"
                );
            });
            "memory://".to_owned()
        });
        let connect = match text("DOCKET_NAME") {
            Some(name) => Self::to(url).name(name),
            None => Self::to(url),
        };
        let connect = Self { outbox: text("DOCKET_OUTBOX_URL"), ..connect };
        let connect = match text("DOCKET_MIGRATE").as_deref() {
            None | Some("first") => connect,
            Some("never") => connect.without_migrating(),
            Some(other) => {
                connect.refuse("read DOCKET_MIGRATE", format!("{} is neither first nor never", quoted(other)))
            }
        };
        match text("DOCKET_ACCEPT_EVICTION").as_deref() {
            None | Some("false") => connect,
            Some("true") => connect.accept_eviction(),
            Some(other) => {
                let why = format!("{} is neither true nor false", quoted(other));
                connect.refuse("read DOCKET_ACCEPT_EVICTION", why)
            }
        }
    }

    fn refuse(self, operation: &'static str, why: String) -> Self {
        Self { name: self.name.and(Err(Error::config(operation, why))), ..self }
    }

    /// The docket's name; `plyr` if not said. Tasks of different dockets never meet.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = self.name.and_then(|_| DocketName::new(name));
        self
    }

    /// Start even though the server may evict tasks: for managed servers whose settings one cannot change.
    pub fn accept_eviction(mut self) -> Self {
        self.admit = Admit::Evicting;
        self
    }

    /// Refuses a schema that is missing or old instead of making it: where migrating a Postgres is somebody else's to do
    /// (`docket migrate`).
    pub fn without_migrating(mut self) -> Self {
        self.migrating = Migrating::Never;
        self
    }

    /// Opens the docket without looking at the server, for a report on it; an unreachable one is found by the first call.
    /// A report changes nothing: it does not migrate either.
    pub fn unexamined(mut self) -> Self {
        self.admit = Admit::Any;
        self
    }

    /// How long the client repeats an unanswered call; see [`Client::with_patience`].
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// How many bytes of JSON the args of one task may have; see [`Client::with_payload_bytes_max`].
    pub fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.payload_bytes_max = bytes;
        self
    }

    /// Puts an outbox in the Postgres at `url` before the docket: for a service whose data is there and whose queue is not.
    /// `in_transaction` then writes into it, and every worker of this docket brings what was committed to the queue; see
    /// `docket_postgres::Outbox` for what it promises.
    ///
    /// The URL is that of the database in which the caller's transactions are, for a role that may make the schema `docket`
    /// there. A docket that is in that database already needs no outbox.
    pub fn outbox(mut self, url: impl Into<String>) -> Self {
        self.outbox = Some(url.into());
        self
    }

    async fn open(self) -> Result<Docket> {
        let name = self.name?;
        // A new backend is one arm here and one in `address`.
        let store = match backend_of(&self.url)? {
            Backend::Memory => memory(&self.url, name, self.payload_bytes_max)?,
            Backend::Postgres => postgres(&self.url, name, self.admit, self.migrating, self.payload_bytes_max).await?,
            Backend::Redis => redis(&self.url, name, self.admit, self.payload_bytes_max).await?,
        };
        let store = match &self.outbox {
            None => store,
            // A report looks at it when it gets there, and changes nothing.
            Some(url) if self.admit == Admit::Any => outbox::later(store, url, self.payload_bytes_max)?,
            Some(url) => outbox::now(store, url, self.migrating, self.payload_bytes_max).await?,
        };
        let client = Client::new(store).with_payload_bytes_max(self.payload_bytes_max);
        Ok(Docket::new(match self.patience {
            Some(patience) => client.with_patience(patience),
            None => client,
        }))
    }
}

impl std::fmt::Debug for Connect {
    /// Without the URLs, which may carry passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("name", &self.name).field("admit", &self.admit).finish_non_exhaustive()
    }
}

impl IntoFuture for Connect {
    type Output = Result<Docket>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Docket>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

#[cfg(feature = "memory")]
fn memory(url: &str, name: DocketName, payload_bytes_max: usize) -> Result<Arc<dyn Store>> {
    crate::address::check_memory(url)?;
    let options = docket_memory::Options { payload_bytes_max, ..docket_memory::Options::default() };
    Ok(Arc::new(docket_memory::MemoryBackend::with_options(name, options)?))
}

#[cfg(not(feature = "memory"))]
fn memory(url: &str, _name: DocketName, _payload_bytes_max: usize) -> Result<Arc<dyn Store>> {
    Err(crate::address::refuse(url, "this build lacks the feature `memory` of docket-queue"))
}

#[cfg(feature = "postgres")]
async fn postgres(
    url: &str,
    name: DocketName,
    admit: Admit,
    migrating: Migrating,
    payload_bytes_max: usize,
) -> Result<Arc<dyn Store>> {
    use docket_postgres::{Migrate, Options, PostgresBackend};
    let migrate = if admit == Admit::Any || migrating == Migrating::Never { Migrate::Never } else { Migrate::First };
    let options = Options { payload_bytes_max, migrate, ..Options::default() };
    let backend = match admit {
        // A Postgres evicts nothing.
        Admit::Safe | Admit::Evicting => PostgresBackend::connect(url, name, options).await?,
        Admit::Any => PostgresBackend::open(url, name, options)?,
    };
    Ok(Arc::new(backend))
}

#[cfg(not(feature = "postgres"))]
fn postgres(
    url: &str,
    _name: DocketName,
    _admit: Admit,
    _migrating: Migrating,
    _payload_bytes_max: usize,
) -> std::future::Ready<Result<Arc<dyn Store>>> {
    std::future::ready(Err(crate::address::refuse(url, "this build lacks the feature `postgres` of docket-queue")))
}

#[cfg(feature = "redis")]
async fn redis(url: &str, name: DocketName, admit: Admit, payload_bytes_max: usize) -> Result<Arc<dyn Store>> {
    use docket_redis::{Options, RedisBackend};
    let options = Options { accept_eviction: admit != Admit::Safe, payload_bytes_max, ..Options::default() };
    let backend = match admit {
        Admit::Safe | Admit::Evicting => RedisBackend::connect(url, name, options).await?,
        Admit::Any => RedisBackend::open(url, name, options)?,
    };
    Ok(Arc::new(backend))
}

#[cfg(not(feature = "redis"))]
fn redis(
    url: &str,
    _name: DocketName,
    _admit: Admit,
    _payload_bytes_max: usize,
) -> std::future::Ready<Result<Arc<dyn Store>>> {
    std::future::ready(Err(crate::address::refuse(url, "this build lacks the feature `redis` of docket-queue")))
}

#[cfg(test)]
mod tests {
    use docket_core::ErrorKind;

    use super::*;

    async fn with(vars: &[(&str, &str)]) -> Result<Docket> {
        let lookup = |asked: &str| vars.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        Connect::from_vars(lookup).await
    }

    #[tokio::test]
    async fn without_a_url_the_docket_is_in_memory_and_called_plyr() {
        for vars in [[].as_slice(), &[("DOCKET_URL", " "), ("DOCKET_NAME", "")]] {
            let facts = with(vars).await.unwrap().store().capabilities();
            assert_eq!((facts.scheme, facts.docket.as_str()), ("memory", "plyr"));
            assert!(!facts.durable && !facts.shared);
        }
    }

    #[tokio::test]
    async fn the_name_is_taken_from_the_environment_and_checked() {
        let named = with(&[("DOCKET_NAME", "plyr-stg")]).await.unwrap();
        assert_eq!(named.store().capabilities().docket.as_str(), "plyr-stg");
        assert_eq!(with(&[("DOCKET_NAME", "a{b}")]).await.unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[tokio::test]
    async fn a_switch_that_is_neither_on_nor_off_is_refused() {
        for name in ["DOCKET_ACCEPT_EVICTION", "DOCKET_MIGRATE"] {
            let error = with(&[(name, "yes")]).await.unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[tokio::test]
    async fn debug_shows_no_part_of_the_url() {
        let connect = Docket::connect("redis://joe:secret@host");
        assert!(!format!("{connect:?}").contains("secret"));
    }
}
