//! Opening the docket that the arguments name.

use docket::{Connect, Docket, UrlSource};

use crate::args::Place;
use crate::end::End;

/// Which servers are acceptable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accept {
    /// A server that keeps its data, unless `DOCKET_ACCEPT_EVICTION` says otherwise.
    Safe,
    /// Any server: for looking at the docket and stepping in.
    Any,
}

impl Place {
    /// Opens it, with the outbox that the environment names.
    pub(crate) async fn open(&self, accept: Accept) -> Result<Docket, End> {
        Ok(self.connect_with(accept, |name| std::env::var(name).ok()).await?)
    }

    /// `--url`, if it differs from the environment.
    fn given(&self) -> Option<String> {
        said(self.url.as_ref()).filter(|url| variable("DOCKET_URL").as_ref() != Some(url))
    }

    /// The store's URL, or the file that holds it.
    pub(crate) fn url(&self) -> UrlSource {
        match (self.given().or_else(|| variable("DOCKET_URL")), variable("DOCKET_URL_FILE")) {
            (Some(url), _) => url.into(),
            (None, Some(file)) => UrlSource::File(file.into()),
            (None, None) => "memory://".into(),
        }
    }

    /// About to open it, without an outbox.
    pub(crate) fn connect(&self, accept: Accept) -> Connect {
        self.connect_with(accept, |name| std::env::var(name).ok().filter(|_| !name.starts_with("DOCKET_OUTBOX_URL")))
    }

    /// Arguments take precedence over the environment, which is read as by a service.
    fn connect_with(&self, accept: Accept, environment: impl Fn(&str) -> Option<String>) -> Connect {
        let (given, file) = (self.given(), variable("DOCKET_URL_FILE"));
        let connect = Connect::from_vars(|name| match name {
            "DOCKET_URL" if given.is_some() => given.clone(),
            "DOCKET_URL_FILE" if given.is_some() => None,
            // Without the warning for a service that forgot it.
            "DOCKET_URL" => environment(name).or_else(|| file.is_none().then(|| "memory://".to_owned())),
            "DOCKET_NAME" => self.docket.clone(),
            name => environment(name),
        });
        if accept == Accept::Any { connect.unexamined() } else { connect }
    }

    /// Opens it for a `verb` that works on a docket that other processes see.
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

fn variable(name: &str) -> Option<String> {
    said(std::env::var(name).ok().as_ref())
}

/// What was said, if anything was.
fn said(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).cloned()
}
