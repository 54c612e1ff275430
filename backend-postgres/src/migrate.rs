//! The schema: created, migrated, or refused.

use std::time::Duration;

use docket_core::{Error, ErrorKind, Result, UrlSource};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use tokio::time::timeout;

use crate::error::{describe, unanswered};
use crate::schema::{lock, needed, script, whole_script};
use crate::server::Server;
use crate::statements::in_schema;
use crate::{Migrate, Options};

/// How long a migration may take, including the wait for another process that runs it. The first
/// call of a handle that was only opened has less time, and leaves the rest to the next call.
const MIGRATION_MAX: Duration = Duration::from_mins(1);

const OPERATION: &str = "bring the schema up to date";

/// The schema of a database, for migrating it separately from the services that use it: in a step
/// of a deploy, or by hand.
///
/// ```no_run
/// # async fn f() -> docket_core::Result<()> {
/// use docket_postgres::{Options, Schema};
///
/// let versions = Schema::open("postgres://owner@localhost/app", Options::default())?.migrate().await?;
/// println!("from version {} to {}", versions.found, versions.needed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Schema {
    server: Server,
}

/// The version of a schema, and the version that this build needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// 0 if there is no schema.
    pub found: i64,
    /// The version that this build needs.
    pub needed: i64,
}

impl Schema {
    /// Only reads the URL.
    ///
    /// # Errors
    ///
    /// `Config` for a URL or an option that cannot work.
    pub fn open(url: &str, options: Options) -> Result<Self> {
        Self::open_at(url.into(), options)
    }

    /// The same with a URL that may come from a file.
    ///
    /// # Errors
    ///
    /// As [`Schema::open`].
    pub fn open_at(url: UrlSource, options: Options) -> Result<Self> {
        Ok(Self { server: Server::at(url, options)?.0 })
    }

    /// Reads the version of the schema.
    ///
    /// # Errors
    ///
    /// Those of a server that is down or refuses.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub async fn versions(&self) -> Result<Versions> {
        in_time(&self.server, async {
            let mut connection = self.server.open().await?;
            let mut transaction = self.server.begin(&mut connection).await?;
            let found = version(&mut transaction, &self.server.options.schema).await?;
            transaction.commit().await?;
            Ok(Versions { found, needed: needed() })
        })
        .await
    }

    /// Migrates the schema, regardless of [`Options::migrate`], and returns its version before.
    ///
    /// # Errors
    ///
    /// `Conflict` for a schema that is newer than this build.
    ///
    /// # Cancel safety
    ///
    /// It is one transaction, so it can be dropped at any time.
    pub async fn migrate(&self) -> Result<Versions> {
        bring_up_to_date(&self.server, Migrate::First).await
    }

    /// The statements that migrate from version `from` to the one that this build needs, to run by
    /// hand. They are one transaction, and change nothing in a schema of another version than
    /// `from`.
    ///
    /// # Errors
    ///
    /// `Config` for an option that cannot work, `Invalid` for a version that this build does not
    /// know.
    pub fn script(from: i64, options: &Options) -> Result<String> {
        options.check()?;
        if !(0..=needed()).contains(&from) {
            let message = format!("cannot migrate from version {from}; this build knows 0 to {}", needed());
            return Err(Error::invalid("print the migrations", message));
        }
        Ok(whole_script(from, &options.schema))
    }
}

/// Checks the schema once, and creates or migrates it if the options allow it.
pub(crate) async fn make_ready(server: &Server) -> Result<()> {
    bring_up_to_date(server, server.options.migrate).await.map(drop)
}

async fn bring_up_to_date(server: &Server, migrate: Migrate) -> Result<Versions> {
    let (schema, needed) = (&server.options.schema, needed());
    let found = in_time(server, async {
        let mut connection = server.open().await?;
        let mut transaction = server.begin(&mut connection).await?;
        let mut found = version(&mut transaction, schema).await?;
        if found < needed && migrate == Migrate::First {
            transaction.execute("SET LOCAL statement_timeout = '1min'").await?;
            transaction.execute(sqlx::raw_sql(AssertSqlSafe(lock(schema)))).await?;
            // Another process may have migrated it while we waited.
            found = version(&mut transaction, schema).await?;
            if found < needed {
                transaction.execute(sqlx::raw_sql(AssertSqlSafe(script(found, schema)))).await?;
            }
        }
        transaction.commit().await?;
        Ok(found)
    })
    .await?;
    let refuse = |message| Err(Error::new(ErrorKind::Conflict, "use the store", message));
    let address = &server.address;
    if found > needed {
        return refuse(format!(
            "{address}: the schema {schema} has version {found} and this build reads {needed}; use a matching build"
        ));
    }
    if found < needed && migrate == Migrate::Never {
        return refuse(format!(
            "{address}: the schema {schema} is of version {found} and this build needs {needed}; run the migrations \
             (docket migrate up)"
        ));
    }
    if found < needed {
        tracing::info!(%address, schema, from = found, to = needed, "schema brought up to date");
    }
    Ok(Versions { found, needed })
}

async fn in_time<T>(server: &Server, call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
    match timeout(MIGRATION_MAX, call).await {
        Ok(answer) => answer.map_err(|error| describe(error, OPERATION, &server.address)),
        Err(_) => Err(unanswered(OPERATION, &server.address)),
    }
}

/// The version of a schema; 0 if there is none. The schema's name is a simple identifier.
async fn version(connection: &mut PgConnection, schema: &str) -> Result<i64, sqlx::Error> {
    // Read the catalog itself: to_regclass() may use a cache that misses a very recent change of
    // another process.
    let known = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = '{schema}' AND c.relname = 'migration')"
    );
    let known = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(known))).await?;
    if !known.try_get::<bool, _>(0)? {
        return Ok(0);
    }
    let latest = in_schema("SELECT coalesce(max(version), 0) FROM docket.migration", schema);
    connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(latest))).await?.try_get(0)
}
