//! A store's own counters, so that two readings give the difference.

mod postgres;
pub(crate) mod process;
mod redis;

use crate::Outcome;
use crate::servers::Server;

/// One look; differences count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Seconds of processor time of the server.
    pub(crate) cpu: f64,
    /// Commands or statements that clients sent.
    pub(crate) sent: f64,
    /// Looks for tasks among them; on Redis, all calls of scripts.
    pub(crate) looks: f64,
    /// Those run inside scripts or functions.
    pub(crate) inside: f64,
    /// Bytes of log written: WAL; none if the store does not report it.
    pub(crate) log: Option<f64>,
    /// Bytes of stored data.
    pub(crate) stored: f64,
}

impl Look {
    /// The difference between `earlier` and this.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu - earlier.cpu,
            sent: self.sent - earlier.sent,
            looks: self.looks - earlier.looks,
            inside: self.inside - earlier.inside,
            log: self.log.zip(earlier.log).map(|(now, then)| now - then),
            stored: self.stored - earlier.stored,
        }
    }
}

/// A connection that only reads counters. Its own commands are not counted.
pub(crate) enum Meter {
    Redis(redis::Meter),
    Postgres(postgres::Meter),
}

impl Meter {
    /// None in memory: there is no server to ask.
    pub(crate) async fn on(server: &Server) -> Outcome<Option<Self>> {
        Ok(match server {
            Server::Memory => None,
            Server::Redis(_) => Some(Self::Redis(redis::Meter::on(&server.url()).await?)),
            Server::Postgres(_) => Some(Self::Postgres(postgres::Meter::on(&server.url()).await?)),
        })
    }

    pub(crate) async fn look(&mut self) -> Outcome<Look> {
        match self {
            Self::Redis(meter) => meter.look().await,
            Self::Postgres(meter) => meter.look().await,
        }
    }

    /// The name of its commands.
    pub(crate) fn command(&self) -> &'static str {
        match self {
            Self::Redis(_) => "commands",
            Self::Postgres(_) => "statements",
        }
    }
}
