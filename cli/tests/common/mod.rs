//! A real Redis of a test's own, which it can kill and start again.

use std::ops::Deref;
use std::thread;

use conformance_tests::servers::RedisServer;
use tokio::runtime::Builder;

/// A [`RedisServer`] that is started in tests with and without a runtime.
pub(crate) struct Redis(RedisServer);

impl Redis {
    /// Starts one with `settings` beside the defaults of a durable server, e.g. `["--requirepass", "secret"]`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let start = || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a test can have a runtime");
            runtime.block_on(RedisServer::start_with(settings))
        };
        // On a thread of its own: a runtime cannot be entered within another.
        Self(thread::scope(|scope| scope.spawn(start).join()).expect("a server can be started"))
    }
}

impl Deref for Redis {
    type Target = RedisServer;

    fn deref(&self) -> &RedisServer {
        &self.0
    }
}
