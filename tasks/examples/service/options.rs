//! The command line.

use std::net::SocketAddr;

use docket::{Docket, Error, Result};

/// Where the worker runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Here, beside the routes.
    InProcess,
    /// Elsewhere.
    None,
    /// Here, without the routes.
    Only,
}

/// The command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) worker: Place,
}

impl Options {
    /// Reads `--listen ADDRESS` and `--worker PLACE`.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), worker: Place::InProcess };
        let wrong = |why: String| Error::config("read the command line", why);
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| wrong(format!("{flag} needs a value")))?;
            match (&*flag, &*value) {
                ("--listen", address) => {
                    options.listen = address.parse().map_err(|_| wrong(format!("invalid address {address:?}")))?;
                }
                ("--worker", "in-process") => options.worker = Place::InProcess,
                ("--worker", "none") => options.worker = Place::None,
                ("--worker", "only") => options.worker = Place::Only,
                ("--worker", other) => return Err(wrong(format!("{other:?} is not in-process, none or only"))),
                _ => return Err(wrong(format!("{flag} is neither --listen nor --worker"))),
            }
        }
        Ok(options)
    }

    /// Refuses options under which tasks would be added that nobody could ever run.
    pub(crate) fn check(&self, docket: &Docket) -> Result<()> {
        if self.worker != Place::InProcess && !docket.store().capabilities().shared {
            let why = "a docket in memory is seen by this process alone; give DOCKET_URL, or run the worker in-process";
            return Err(Error::config("place the worker", why));
        }
        Ok(())
    }
}
