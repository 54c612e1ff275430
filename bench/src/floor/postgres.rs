//! The baseline on Postgres: one statement per verb, on one narrow table.
//!
//! In addition to what every baseline omits, it bounds finished records only by their retention.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use docket_core::limits;
use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Mutex;

use super::{held, micros, until};
use crate::Outcome;
use crate::verbs::{Held, Item, LEASE, Verbs};

const ADD: &str = include_str!("postgres/add.sql");
const LEASE_SQL: &str = include_str!("postgres/lease.sql");
const NEXT: &str = include_str!("postgres/next.sql");
const ACK: &str = include_str!("postgres/ack.sql");

/// As many connections as a handle of ours has.
const CONNECTIONS: u32 = 4;

/// A handle of its own connections.
pub(super) struct Postgres {
    pool: PgPool,
    /// Opened when first waited on.
    listener: Mutex<Option<PgListener>>,
}

impl Postgres {
    /// Makes its tables where they are missing.
    pub(super) async fn connect(url: &str) -> Outcome<Self> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
        // Two processes may come at once.
        let mut transaction = pool.begin().await?;
        sqlx::raw_sql("SELECT pg_advisory_xact_lock(1)").execute(&mut *transaction).await?;
        sqlx::raw_sql(include_str!("postgres/tables.sql")).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Self { pool, listener: Mutex::new(None) })
    }

    async fn look(&self, count: usize) -> Outcome<Vec<Held>> {
        let rows: Vec<(String, i64, Vec<u8>)> =
            sqlx::query_as(LEASE_SQL).bind(i64::try_from(count)?).bind(micros(LEASE)).fetch_all(&self.pool).await?;
        rows.iter().map(|(key, fence, args)| held(key, u64::try_from(*fence)?, args)).collect()
    }
}

#[async_trait]
impl Verbs for Postgres {
    async fn fork(&self) -> Outcome<Arc<dyn Verbs>> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS);
        let pool = pool.connect_with((*self.pool.connect_options()).clone()).await?;
        Ok(Arc::new(Self { pool, listener: Mutex::new(None) }))
    }

    async fn add(&self, items: &[Item], delay: Duration) -> Outcome<usize> {
        let keys: Vec<&str> = items.iter().map(|item| item.key.as_str()).collect();
        let args: Vec<&[u8]> = items.iter().map(|item| item.args.as_slice()).collect();
        let (taken, _told): (i64, i64) =
            sqlx::query_as(ADD).bind(micros(delay)).bind(keys).bind(args).fetch_one(&self.pool).await?;
        Ok(usize::try_from(taken)?)
    }

    async fn lease(&self, count: usize, wait: Duration) -> Outcome<Vec<Held>> {
        if wait.is_zero() {
            return self.look(count).await;
        }
        let mut listener = self.listener.lock().await;
        if listener.is_none() {
            let mut new = PgListener::connect_with(&self.pool).await?;
            new.listen("floor").await?;
            *listener = Some(new);
        }
        let listener = listener.as_mut().ok_or("it was just opened")?;
        let end = Instant::now() + wait;
        let mut tasks = self.look(count).await?;
        while tasks.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let next: Option<i64> = sqlx::query_scalar(NEXT).bind(micros(left)).fetch_one(&self.pool).await?;
            let next = next.map(|next| Duration::from_micros(u64::try_from(next).unwrap_or(0)));
            // Over in time is as good as woken.
            let _ = tokio::time::timeout(until(next, left), listener.recv()).await;
            tasks = self.look(count).await?;
        }
        Ok(tasks)
    }

    async fn ack(&self, held: &[Held], retention: Duration) -> Outcome<usize> {
        let keys: Vec<&str> = held.iter().map(|held| held.token.key.as_str()).collect();
        let fences = held.iter().map(|held| i64::try_from(held.token.fence.0));
        let fences: Vec<i64> = fences.collect::<Result<_, _>>()?;
        let trim = i64::try_from(limits::TRIM_ITEMS_MAX + held.len())?;
        let query = sqlx::query_scalar(ACK).bind(micros(retention)).bind(keys).bind(fences).bind(trim);
        let settled: i64 = query.fetch_one(&self.pool).await?;
        Ok(usize::try_from(settled)?)
    }

    async fn unfinished(&self) -> Outcome<usize> {
        let count = sqlx::query_scalar("SELECT count(*) FROM floor.task WHERE state IN ('queued', 'leased')");
        let count: i64 = count.fetch_one(&self.pool).await?;
        Ok(usize::try_from(count)?)
    }
}
