//! A wire between client and server that can fall silent: nothing arrives, and nobody is told.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::server::Server;

/// Passes on every connection until it is told to forget those it has.
pub(crate) struct Proxy {
    port: u16,
    silence: Arc<Notify>,
}

impl Proxy {
    pub(crate) async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let silence = Arc::new(Notify::new());
        tokio::spawn(accept(listener, server.port(), silence.clone()));
        Self { port, silence }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Drops whatever the connections of now would carry, both ways; those made later are passed on.
    pub(crate) fn silence(&self) {
        self.silence.notify_waiters();
    }
}

async fn accept(listener: TcpListener, to: u16, silence: Arc<Notify>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let silence = silence.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(("127.0.0.1", to)).await.expect("the server listens");
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                // Both ends stay open.
                () = silence.notified() => std::future::pending().await,
            }
        });
    }
}
