//! ATProto: records in the repositories of users, written as them.

mod at_uri;
mod error;
mod records;
mod scope;
mod session;
mod tid;
mod xrpc;

use std::sync::Arc;

use docket_core::Result;

use super::dpop::Nonces;
use super::http::{Http, Reach};
use super::oauth::OAuthClient;
use crate::Sessions;

pub(crate) use at_uri::is_did;
pub use at_uri::{AtUri, StrongRef};
pub use error::PdsError;
pub(crate) use error::{Refusal, is_passing};
pub use records::{KeptRecord, PAGE_RECORDS_MAX, RecordPage, Swap, Write};
pub use tid::Tid;
pub(crate) use xrpc::{Body, Call, Caller, Xrpc};

/// A client of every PDS, which acts as any user that is logged in.
///
/// A write names its repository by the [`AtUri`]; the live session of that DID is found when it is sent, its tokens are
/// refreshed when they have to be, and no caller ever sees one. Cheap to clone; clones share connections and nonces.
#[derive(Clone, Debug)]
pub struct Atproto {
    xrpc: Xrpc,
    sessions: Arc<dyn Sessions>,
    oauth: Arc<OAuthClient>,
}

/// The parts of an [`Atproto`] beside its sessions.
#[derive(Clone, Debug)]
pub struct AtprotoOptions {
    /// Its user agent, e.g. `plyr.fm/1.0 (https://plyr.fm)`.
    pub user_agent: String,
    /// Which servers may be reached.
    pub reach: Reach,
    /// How we are known to authorization servers.
    pub oauth: OAuthClient,
}

impl Atproto {
    /// A client of the PDSs of all users in `sessions`.
    pub fn new(sessions: Arc<dyn Sessions>, options: AtprotoOptions) -> Result<Self> {
        let AtprotoOptions { user_agent, reach, oauth } = options;
        let xrpc = Xrpc { http: Http::new(&user_agent, reach)?, nonces: Nonces::default() };
        Ok(Self { xrpc, sessions, oauth: Arc::new(oauth) })
    }
}
