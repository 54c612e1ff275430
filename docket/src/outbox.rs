//! An outbox in the service's Postgres, for a docket that lives elsewhere.

use std::sync::Arc;

use docket_core::{Error, Result, Store, UrlSource};

use crate::connect::Migrating;

/// Puts an outbox at `url` before `store`, and looks at it.
#[cfg(feature = "postgres")]
pub(crate) async fn now(
    store: Arc<dyn Store>,
    url: &UrlSource,
    migrating: Migrating,
    max_payload_bytes: usize,
) -> Result<Arc<dyn Store>> {
    let store = shared(store)?;
    let options = options(migrating, max_payload_bytes);
    Ok(Arc::new(docket_postgres::Outbox::connect_at(store, url.clone(), options).await?))
}

/// The same, but without connecting before its first use, and its schema is left as it is.
#[cfg(feature = "postgres")]
pub(crate) fn later(store: Arc<dyn Store>, url: &UrlSource, max_payload_bytes: usize) -> Result<Arc<dyn Store>> {
    let store = shared(store)?;
    let options = options(Migrating::Never, max_payload_bytes);
    Ok(Arc::new(docket_postgres::Outbox::open_at(store, url.clone(), options)?))
}

#[cfg(feature = "postgres")]
fn options(migrating: Migrating, max_payload_bytes: usize) -> docket_postgres::Options {
    use docket_postgres::{Migrate, Options};
    let migrate = match migrating {
        Migrating::First => Migrate::First,
        Migrating::Never => Migrate::Never,
    };
    Options { migrate, max_payload_bytes, ..Options::default() }
}

/// One process would bring to its own memory what all processes have written.
#[cfg(feature = "postgres")]
fn shared(store: Arc<dyn Store>) -> Result<Arc<dyn Store>> {
    let facts = store.capabilities();
    if facts.shared {
        return Ok(store);
    }
    let why = format!(
        "the docket is on {}, which lives inside one process, and an outbox serves all that share a docket; give \
         DOCKET_URL, e.g. redis://localhost:6379/0, or leave the outbox out",
        facts.scheme
    );
    Err(Error::config("set up the outbox", why))
}

#[cfg(not(feature = "postgres"))]
pub(crate) fn now(
    store: Arc<dyn Store>,
    url: &UrlSource,
    _migrating: Migrating,
    max_payload_bytes: usize,
) -> std::future::Ready<Result<Arc<dyn Store>>> {
    std::future::ready(later(store, url, max_payload_bytes))
}

#[cfg(not(feature = "postgres"))]
pub(crate) fn later(_store: Arc<dyn Store>, _url: &UrlSource, _max_payload_bytes: usize) -> Result<Arc<dyn Store>> {
    Err(Error::config("set up the outbox", "this build lacks the feature `postgres` of docket-queue"))
}

#[cfg(feature = "postgres")]
impl crate::Docket {
    /// The outbox, if one was set up: its waiting rows, and those that the queue has refused.
    pub fn outbox(&self) -> Option<&docket_postgres::Outbox> {
        let store: &dyn std::any::Any = self.store().as_ref();
        store.downcast_ref()
    }
}

#[cfg(all(test, feature = "memory", feature = "postgres"))]
mod tests {
    use docket_core::ErrorKind;

    use crate::{Connect, Docket};

    #[tokio::test]
    async fn a_docket_inside_one_process_has_no_outbox() {
        let vars = [("DOCKET_URL", "memory://"), ("DOCKET_OUTBOX_URL", "postgres://joe:secret@localhost/app")];
        let lookup = |asked: &str| vars.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        let connect = Connect::from_vars(lookup);
        assert!(!format!("{connect:?}").contains("secret"));
        let error = connect.await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("DOCKET_URL"), "{error}");
        assert!(Docket::connect("memory://").await.unwrap().outbox().is_none());
    }
}
