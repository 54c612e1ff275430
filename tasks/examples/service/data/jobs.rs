//! Changed jobs, from Postgres: one connection of the process for all its watchers.

use std::time::Duration;

use docket::{Error, Result};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;

/// How many changes a slow watcher may fall behind by; after that it polls.
const BEHIND_MAX: usize = 256;
/// The pause before listening is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The service's own migration, safe to run again. The lock is for processes that start together.
const TRIGGER: &str = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('job_changed')); \
    CREATE OR REPLACE FUNCTION job_changed() RETURNS trigger LANGUAGE plpgsql AS $$ \
    BEGIN PERFORM pg_notify('job_changed', NEW.id); RETURN NULL; END $$; \
    CREATE OR REPLACE TRIGGER job_changed AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION job_changed(); \
    COMMIT;";

/// The ids of jobs as they change; an empty one says that some may have been missed.
pub(crate) type Changes = broadcast::Sender<String>;

/// Makes Postgres tell, and listens from now on.
pub(super) async fn listen(pool: &PgPool) -> Result<Changes> {
    let failed = |error| Error::config("listen for changed jobs", "the database refused").with_source(error);
    sqlx::raw_sql(TRIGGER).execute(pool).await.map_err(failed)?;
    let changes = broadcast::Sender::new(BEHIND_MAX);
    tokio::spawn(pass_on(pool.clone(), changes.clone()));
    Ok(changes)
}

async fn pass_on(pool: PgPool, changes: Changes) {
    loop {
        if let Err(error) = pass_on_until_lost(&pool, &changes).await {
            tracing::warn!(%error, "changed jobs are not heard of; trying again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn pass_on_until_lost(pool: &PgPool, changes: &Changes) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("job_changed").await?;
    loop {
        // A send without a watcher is not an error. Changes from before this was listening may have
        // been missed.
        let _ = changes.send(String::new());
        while let Some(told) = listener.try_recv().await? {
            let _ = changes.send(told.payload().to_owned());
        }
    }
}
