//! One URL picks the store.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::time::Duration;

use docket_core::shown::quoted;
use docket_core::{
    Client, DocketName, Error, ErrorKind, PATIENCE, Result, Settings, Store, TaskKey, UrlSource, limits, parse_duration,
};
#[cfg(feature = "memory")]
use docket_core::{Registry, worker};

use crate::Docket;
use crate::address::{Backend, backend_of};
#[cfg(feature = "memory")]
use crate::fallback::With;
use crate::outbox;
use crate::patience::wait_for;

/// Logged once per process, however many dockets it opens.
static NOT_DURABLE: Once = Once::new();

/// A docket about to be opened; `.await` opens it.
#[must_use = "a docket is opened when it is awaited"]
pub struct Connect {
    url: UrlSource,
    /// The first mistake in the builder is reported when it is opened.
    name: Result<DocketName>,
    admit: Admit,
    migrating: Migrating,
    patience: Option<Duration>,
    max_payload_bytes: usize,
    outbox: Option<UrlSource>,
    /// Set if the docket comes from the environment.
    worker_settings: Option<Arc<Result<Settings>>>,
    #[cfg(feature = "memory")]
    fallback: Option<Fallback>,
}

/// The arguments of [`Docket::with_fallback`].
#[cfg(feature = "memory")]
struct Fallback {
    registry: Registry,
    settings: Settings,
    with: With,
}

/// Which servers are acceptable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Admit {
    /// Servers that keep their data.
    Safe,
    /// Also servers that may evict it.
    Evicting,
    /// Any server that answers, without checking it.
    Any,
    /// Any server, whenever it answers.
    Later,
}

/// Whether a schema that is missing or old is migrated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Migrating {
    First,
    Never,
}

impl Connect {
    pub(crate) fn to(url: UrlSource) -> Self {
        Self {
            url,
            name: Ok(DocketName::default()),
            admit: Admit::Safe,
            migrating: Migrating::First,
            patience: None,
            max_payload_bytes: limits::PAYLOAD_BYTES_MAX,
            outbox: None,
            worker_settings: None,
            #[cfg(feature = "memory")]
            fallback: None,
        }
    }

    /// Reads the variables of [`Docket::from_env`] from `lookup`. An empty value counts as unset.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| lookup(name).filter(|text| !text.trim().is_empty());
        let url = either(&text, "DOCKET_URL", "DOCKET_URL_FILE");
        let outbox = either(&text, "DOCKET_OUTBOX_URL", "DOCKET_OUTBOX_URL_FILE");
        let refused = url.as_ref().err().or(outbox.as_ref().err()).cloned();
        let url = url.ok().flatten().unwrap_or_else(|| {
            if refused.is_none() {
                NOT_DURABLE.call_once(|| {
                    tracing::warn!(
                        "DOCKET_URL is not set: tasks live in memory, durability is off, no other process sees them"
                    );
                });
            }
            "memory://".into()
        });
        let connect = match text("DOCKET_NAME") {
            Some(name) => Self::to(url).name(name),
            None => Self::to(url),
        };
        let connect = match refused {
            Some((operation, why)) => connect.refuse(operation, why),
            None => connect,
        };
        let worker_settings = Some(Arc::new(Settings::from_vars(text)));
        let connect = Self { outbox: outbox.ok().flatten(), worker_settings, ..connect };
        let connect = match text("DOCKET_PATIENCE").map(|patience| parse_duration(&patience)) {
            None => connect,
            Some(Ok(patience)) => connect.patience(patience),
            Some(Err(error)) => connect.refuse("read DOCKET_PATIENCE", error.to_string()),
        };
        let connect = match text("DOCKET_MIGRATE").as_deref() {
            None | Some("first") => connect,
            Some("never") => connect.without_migrating(),
            Some(other) => connect
                .refuse("read DOCKET_MIGRATE", format!("invalid value {}: expected first or never", quoted(other))),
        };
        match text("DOCKET_ACCEPT_EVICTION").as_deref() {
            None | Some("false") => connect,
            Some("true") => connect.accept_eviction(),
            Some(other) => {
                let why = format!("invalid value {}: expected true or false", quoted(other));
                connect.refuse("read DOCKET_ACCEPT_EVICTION", why)
            }
        }
    }

    fn refuse(self, operation: &'static str, why: String) -> Self {
        Self { name: self.name.and(Err(Error::config(operation, why))), ..self }
    }

    /// The docket's name; `default` unless set. Tasks of different dockets never meet.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = self.name.and_then(|_| DocketName::new(name));
        self
    }

    /// Start even if the server may evict tasks: for managed servers whose settings cannot be
    /// changed.
    pub fn accept_eviction(mut self) -> Self {
        self.admit = Admit::Evicting;
        self
    }

    /// Refuses a schema that is missing or old instead of migrating it: for a Postgres that is
    /// migrated separately (`docket migrate`).
    pub fn without_migrating(mut self) -> Self {
        self.migrating = Migrating::Never;
        self
    }

    /// Opens the docket without checking the server, for a report on it, once it answers. A report
    /// changes nothing: it does not migrate either.
    pub fn unexamined(mut self) -> Self {
        self.admit = Admit::Any;
        self
    }

    /// How long opening waits for a server that is starting or down, and the client repeats a call
    /// without an answer; see [`Client::with_patience`]. `DOCKET_PATIENCE`, default 5 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// How many bytes of JSON the args of one task may have; see [`Client::with_max_payload_bytes`].
    pub fn max_payload_bytes(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes;
        self
    }

    /// Puts an outbox in the Postgres at `url` before the docket: for a service with its data there
    /// and its queue elsewhere. `in_transaction` then writes into it, and every worker of this
    /// docket brings committed rows to the queue; see `docket_postgres::Outbox` for its guarantees.
    ///
    /// The URL is that of the database of the caller's transactions, for a role that may create the
    /// schema `docket` there. A docket in that same database needs no outbox.
    pub fn outbox(mut self, url: impl Into<UrlSource>) -> Self {
        self.outbox = Some(url.into());
        self
    }

    /// Gives the docket a fallback from the start: see [`Docket::with_fallback`]. A service that
    /// starts while the store is down then starts all the same, once the patience is over, and its
    /// adds go into the fallback. Its first call then finds what would have been refused.
    #[cfg(feature = "memory")]
    pub fn with_fallback(
        mut self,
        registry: &Registry,
        settings: &Settings,
        with: impl Fn(worker::Builder) -> worker::Builder + Send + Sync + 'static,
    ) -> Self {
        self.fallback = Some(Fallback { registry: registry.clone(), settings: settings.clone(), with: Box::new(with) });
        self
    }

    async fn open(mut self) -> Result<Docket> {
        let name = std::mem::replace(&mut self.name, Ok(DocketName::default()))?;
        let patience = self.patience.unwrap_or(PATIENCE);
        self.check_urls(&name).await?;
        let store = match wait_for(patience, || self.store(&name, self.admit)).await {
            Err(error) if error.kind() == ErrorKind::Unavailable && self.has_fallback() => {
                tracing::error!(?error, "the store cannot be reached; starting with the fallback alone");
                self.store(&name, Admit::Later).await?
            }
            store => store?,
        };
        let store = match &self.outbox {
            None => store,
            // A report checks it later, and changes nothing.
            Some(url) if self.admit == Admit::Any => outbox::later(store, url, self.max_payload_bytes)?,
            Some(url) => outbox::now(store, url, self.migrating, self.max_payload_bytes).await?,
        };
        let client = Client::new(store).with_max_payload_bytes(self.max_payload_bytes).with_patience(patience);
        let docket = Docket { worker_settings: self.worker_settings, ..Docket::new(client) };
        #[cfg(feature = "memory")]
        if let Some(Fallback { registry, settings, with }) = self.fallback {
            return docket.with_fallback(&registry, &settings, with);
        }
        Ok(docket)
    }

    /// Checks the URLs and the settings, without a connection and without waiting.
    ///
    /// # Errors
    ///
    /// `Config` for an invalid URL of the queue or of the outbox; and the first error of the
    /// settings before.
    pub async fn check(mut self) -> Result<()> {
        let name = std::mem::replace(&mut self.name, Ok(DocketName::default()))?;
        self.check_urls(&name).await
    }

    async fn check_urls(&self, name: &DocketName) -> Result<()> {
        let store = self.store(name, Admit::Later).await?;
        match &self.outbox {
            None => Ok(()),
            Some(url) => outbox::later(store, url, self.max_payload_bytes).map(drop),
        }
    }

    #[cfg(feature = "memory")]
    fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    #[cfg(not(feature = "memory"))]
    #[expect(clippy::unused_self, reason = "the signature of a build that has fallbacks")]
    fn has_fallback(&self) -> bool {
        false
    }

    async fn store(&self, name: &DocketName, admit: Admit) -> Result<Arc<dyn Store>> {
        let (name, bytes_max) = (name.clone(), self.max_payload_bytes);
        let text = self.url.read()?;
        // A new backend is one arm here and one in `address`.
        let store = match backend_of(&text)? {
            Backend::Memory => memory(&text, name, bytes_max)?,
            Backend::Postgres => postgres(self.url.clone(), name, admit, self.migrating, bytes_max).await?,
            Backend::Redis => redis(self.url.clone(), name, admit, bytes_max).await?,
        };
        if admit == Admit::Any {
            reach(&*store).await?;
        }
        Ok(store)
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

/// Whether the store answers at all; the following calls judge the answer.
async fn reach(store: &dyn Store) -> Result<()> {
    match store.get(&TaskKey::new("docket")?).await {
        Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
        _ => Ok(()),
    }
}

/// A URL, or the file that holds it; both is a mistake.
type Refused = (&'static str, String);
fn either(
    text: &impl Fn(&str) -> Option<String>,
    url: &'static str,
    file: &'static str,
) -> std::result::Result<Option<UrlSource>, Refused> {
    match (text(url), text(file)) {
        (Some(_), Some(_)) => Err((file, format!("{url} is set as well; set one of them"))),
        (Some(url), None) => Ok(Some(url.into())),
        (None, Some(file)) => Ok(Some(UrlSource::File(file.into()))),
        (None, None) => Ok(None),
    }
}

#[cfg(feature = "memory")]
fn memory(url: &str, name: DocketName, max_payload_bytes: usize) -> Result<Arc<dyn Store>> {
    crate::address::check_memory(url)?;
    let options = docket_memory::Options { max_payload_bytes, ..docket_memory::Options::default() };
    Ok(Arc::new(docket_memory::MemoryBackend::with_options(name, options)?))
}

#[cfg(not(feature = "memory"))]
fn memory(url: &str, _name: DocketName, _max_payload_bytes: usize) -> Result<Arc<dyn Store>> {
    Err(crate::address::refuse(url, "this build lacks the feature `memory` of docket-queue"))
}

#[cfg(feature = "postgres")]
async fn postgres(
    url: UrlSource,
    name: DocketName,
    admit: Admit,
    migrating: Migrating,
    max_payload_bytes: usize,
) -> Result<Arc<dyn Store>> {
    use docket_postgres::{Migrate, Options, PostgresBackend};
    let migrate = if admit == Admit::Any || migrating == Migrating::Never { Migrate::Never } else { Migrate::First };
    let options = Options { max_payload_bytes, migrate, ..Options::default() };
    let backend = match admit {
        // A Postgres evicts nothing.
        Admit::Safe | Admit::Evicting => PostgresBackend::connect_at(url, name, options).await?,
        Admit::Any | Admit::Later => PostgresBackend::open_at(url, name, options)?,
    };
    Ok(Arc::new(backend))
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::needless_pass_by_value, reason = "the signature of a build that has this store")]
fn postgres(
    url: UrlSource,
    _name: DocketName,
    _admit: Admit,
    _migrating: Migrating,
    _max_payload_bytes: usize,
) -> std::future::Ready<Result<Arc<dyn Store>>> {
    std::future::ready(
        url.read().and_then(|url| {
            Err(crate::address::refuse(&url, "this build lacks the feature `postgres` of docket-queue"))
        }),
    )
}

#[cfg(feature = "redis")]
async fn redis(url: UrlSource, name: DocketName, admit: Admit, max_payload_bytes: usize) -> Result<Arc<dyn Store>> {
    use docket_redis::{Options, RedisBackend};
    let options = Options { accept_eviction: admit != Admit::Safe, max_payload_bytes, ..Options::default() };
    let backend = match admit {
        Admit::Safe | Admit::Evicting => RedisBackend::connect_at(url, name, options).await?,
        Admit::Any | Admit::Later => RedisBackend::open_at(url, name, options)?,
    };
    Ok(Arc::new(backend))
}

#[cfg(not(feature = "redis"))]
#[expect(clippy::needless_pass_by_value, reason = "the signature of a build that has this store")]
fn redis(
    url: UrlSource,
    _name: DocketName,
    _admit: Admit,
    _max_payload_bytes: usize,
) -> std::future::Ready<Result<Arc<dyn Store>>> {
    std::future::ready(
        url.read()
            .and_then(|url| Err(crate::address::refuse(&url, "this build lacks the feature `redis` of docket-queue"))),
    )
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
    async fn without_a_url_and_a_name_the_docket_is_in_memory_and_called_default() {
        for vars in [[].as_slice(), &[("DOCKET_URL", " "), ("DOCKET_NAME", "")]] {
            let facts = with(vars).await.unwrap().store().capabilities();
            assert_eq!((facts.scheme, facts.docket.as_str()), ("memory", "default"));
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
        for name in ["DOCKET_ACCEPT_EVICTION", "DOCKET_MIGRATE", "DOCKET_PATIENCE"] {
            let error = with(&[(name, "yes")]).await.unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[tokio::test]
    async fn a_url_may_stand_in_a_file_and_not_in_both_places() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "memory://\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(with(&[("DOCKET_URL_FILE", path)]).await.unwrap().store().capabilities().scheme, "memory");
        let both = [("DOCKET_URL", "redis://joe:secret@host"), ("DOCKET_URL_FILE", path)];
        let error = with(&both).await.unwrap_err().to_string();
        assert!(error.contains("DOCKET_URL_FILE") && error.contains("set one of them"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        let gone = with(&[("DOCKET_URL_FILE", "/nowhere/at/all")]).await.unwrap_err();
        assert!(gone.kind() == ErrorKind::Config && gone.to_string().contains("/nowhere/at/all"), "{gone}");
        let both = [("DOCKET_OUTBOX_URL", "postgres://h/a"), ("DOCKET_OUTBOX_URL_FILE", path)];
        assert!(with(&both).await.unwrap_err().to_string().contains("DOCKET_OUTBOX_URL_FILE"));
    }

    #[tokio::test]
    async fn debug_shows_no_part_of_the_url() {
        let connect = Docket::connect("redis://joe:secret@host");
        assert!(!format!("{connect:?}").contains("secret"));
    }
}
