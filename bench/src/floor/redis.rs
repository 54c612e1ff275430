//! The floor on Redis: three scripts on a hash of records and a sorted set for each state, with one variadic command
//! wherever one will do. Keys are 16 bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Script};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{held, micros, until};
use crate::Outcome;
use crate::verbs::{Held, Item, LEASE, Verbs};

/// A handle of its own connections.
pub(super) struct Redis {
    client: Client,
    connection: MultiplexedConnection,
    /// Opened when first waited on: a read that blocks keeps its connection busy.
    waiting: Mutex<Option<MultiplexedConnection>>,
    scripts: Arc<Scripts>,
}

struct Scripts {
    add: Script,
    lease: Script,
    ack: Script,
}

impl Redis {
    pub(super) async fn connect(url: &str) -> Outcome<Self> {
        let scripts = Scripts {
            add: Script::new(include_str!("redis/add.lua")),
            lease: Script::new(include_str!("redis/lease.lua")),
            ack: Script::new(include_str!("redis/ack.lua")),
        };
        Self::with(Client::open(url)?, Arc::new(scripts)).await
    }

    async fn with(client: Client, scripts: Arc<Scripts>) -> Outcome<Self> {
        let connection = connection(&client).await?;
        Ok(Self { client, connection, waiting: Mutex::new(None), scripts })
    }

    /// Waits for a wake-up, at most this long.
    async fn woken(&self, wait: Duration) -> Outcome {
        let mut waiting = self.waiting.lock().await;
        if waiting.is_none() {
            *waiting = Some(connection(&self.client).await?);
        }
        if let Some(connection) = waiting.as_mut() {
            // Zero would be forever.
            let seconds = wait.max(Duration::from_millis(1)).as_secs_f64();
            redis::cmd("BLPOP").arg("floor:wake").arg(seconds).query_async::<()>(connection).await?;
        }
        Ok(())
    }

    async fn look(&self, count: usize) -> Outcome<(Vec<Held>, Option<Duration>)> {
        let mut call = self.scripts.lease.prepare_invoke();
        call.arg(count).arg(micros(LEASE));
        let mut reply: Vec<Vec<u8>> = call.invoke_async(&mut self.connection.clone()).await?;
        let next = reply.pop().ok_or("the script gave no answer")?;
        let next = std::str::from_utf8(&next)?.parse().ok().map(Duration::from_micros);
        let tasks = reply.chunks(3).map(|task| {
            let (key, fence) = (Uuid::from_slice(&task[0])?.to_string(), std::str::from_utf8(&task[1])?);
            held(&key, fence.parse()?, &task[2])
        });
        Ok((tasks.collect::<Outcome<_>>()?, next))
    }
}

#[async_trait]
impl Verbs for Redis {
    async fn fork(&self) -> Outcome<Arc<dyn Verbs>> {
        Ok(Arc::new(Self::with(self.client.clone(), self.scripts.clone()).await?))
    }

    async fn add(&self, items: &[Item], delay: Duration) -> Outcome<usize> {
        let mut call = self.scripts.add.prepare_invoke();
        call.arg(micros(delay));
        for item in items {
            call.arg(packed(&item.key)?.as_slice()).arg(&item.args);
        }
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn lease(&self, count: usize, wait: Duration) -> Outcome<Vec<Held>> {
        let end = Instant::now() + wait;
        loop {
            let (tasks, next) = self.look(count).await?;
            let left = end.saturating_duration_since(Instant::now());
            if !tasks.is_empty() || left.is_zero() {
                return Ok(tasks);
            }
            self.woken(until(next, left)).await?;
        }
    }

    async fn ack(&self, held: &[Held], retention: Duration) -> Outcome<usize> {
        let mut call = self.scripts.ack.prepare_invoke();
        call.arg(micros(retention)).arg(docket_core::limits::FINISHED_MAX);
        for task in held {
            call.arg(packed(task.token.key.as_str())?.as_slice()).arg(task.token.fence.0);
        }
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn unfinished(&self) -> Outcome<usize> {
        let mut connection = self.connection.clone();
        let due: usize = redis::cmd("ZCARD").arg("floor:due").query_async(&mut connection).await?;
        let run: usize = redis::cmd("ZCARD").arg("floor:run").query_async(&mut connection).await?;
        Ok(due + run)
    }
}

fn packed(key: &str) -> Outcome<[u8; 16]> {
    Ok(*Uuid::parse_str(key)?.as_bytes())
}

/// Without a deadline for answers: a blocking read is longer than any.
async fn connection(client: &Client) -> Outcome<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}
