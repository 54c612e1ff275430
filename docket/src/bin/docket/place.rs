//! Opening the docket that the arguments name.

use docket::{Connect, Docket};

use crate::args::Place;
use crate::end::End;

/// What opening accepts of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accept {
    /// One that keeps what it is given, unless `DOCKET_ACCEPT_EVICTION` says otherwise.
    Safe,
    /// Any: to look at what is there, and to step in.
    Any,
}

impl Place {
    /// Opens it, with the outbox that the environment names.
    pub(crate) async fn open(&self, accept: Accept) -> Result<Docket, End> {
        let connect = self.connect(accept);
        Ok(match said(std::env::var("DOCKET_OUTBOX_URL").ok().as_ref()) {
            Some(url) => connect.outbox(url).await?,
            None => connect.await?,
        })
    }

    /// The store's URL.
    pub(crate) fn url(&self) -> String {
        said(self.url.as_ref()).unwrap_or_else(|| "memory://".to_owned())
    }

    /// About to open it.
    pub(crate) fn connect(&self, accept: Accept) -> Connect {
        let connect = Docket::connect(self.url());
        let connect = match said(self.docket.as_ref()) {
            Some(name) => connect.name(name),
            None => connect,
        };
        let is_set = |name, to| std::env::var(name).is_ok_and(|text| text.trim() == to);
        let connect = if is_set("DOCKET_ACCEPT_EVICTION", "true") { connect.accept_eviction() } else { connect };
        let connect = if is_set("DOCKET_MIGRATE", "never") { connect.without_migrating() } else { connect };
        if accept == Accept::Any { connect.unexamined() } else { connect }
    }

    /// Opens it for a `verb` that works on what other processes see.
    pub(crate) async fn open_shared(&self, verb: &str, accept: Accept) -> Result<Docket, End> {
        let docket = self.open(accept).await?;
        if docket.store().capabilities().shared {
            return Ok(docket);
        }
        Err(End::usage(format!(
            "`docket {verb}` needs a store that processes share, and a memory docket lives inside one process: no other \
             sees its tasks. Give --url or DOCKET_URL, e.g. redis://localhost:6379/0; `docket demo` runs everything in \
             one process"
        )))
    }
}

/// What was said, if anything was.
fn said(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).cloned()
}
