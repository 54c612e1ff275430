//! A wire between client and server that can fall silent: nothing arrives, and neither end is told.

use conformance_tests::proxy::{self, Held, Welcome};

use crate::server::Server;

/// Passes on every connection until it is told to forget those it has.
pub(crate) struct Proxy(proxy::Proxy);

impl Proxy {
    pub(crate) async fn before(server: &Server) -> Self {
        Self(proxy::Proxy::before(&server.url()).await)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Keeps back whatever the connections of now would carry, both ways; those made later are passed on.
    pub(crate) fn silence(&self) {
        for flow in self.0.flows() {
            flow.hold(Held::Both);
        }
    }

    /// Ends every connection and refuses new ones, as where the process at the other end was killed.
    pub(crate) fn cut(&self) {
        self.0.welcome(Welcome::Refuse);
        self.0.kill_all();
    }
}
