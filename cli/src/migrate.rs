//! `docket migrate`.

use docket::UrlSource;

use crate::args::{Migrate, Place};
use crate::end::{End, Outcome};
use crate::place::Accept;

/// Migrates the schema, or shows what that takes.
pub(crate) async fn migrate(place: &Place, step: Migrate) -> Outcome {
    use docket_postgres::{Options, Schema};

    use crate::output;

    if let Migrate::Sql { from: Some(from) } = step {
        return Ok(output::text(&Schema::script(from, &Options::default())?)?);
    }
    let schema = Schema::open_at(postgres_url(place)?, Options::default())?;
    // A server that is starting is waited for.
    place.connect(Accept::Any).await?;
    match step {
        Migrate::Up => {
            let versions = schema.migrate().await?;
            output::line(&format!("from version {} to {}", versions.found, versions.needed))?;
        }
        Migrate::Status(format) => {
            let versions = schema.versions().await?;
            let (found, needed) = (versions.found, versions.needed);
            if format.json {
                output::json(&serde_json::json!({ "found": found, "needed": needed }))?;
            } else {
                output::line(&format!("version {found}, but {needed} is needed"))?;
            }
            match found.cmp(&needed) {
                std::cmp::Ordering::Less => return Err(End::failed("the schema is behind: docket migrate up")),
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater => {
                    return Err(End::failed("the schema is newer than this build: use a matching build"));
                }
            }
        }
        Migrate::Sql { .. } => {
            let found = schema.versions().await?.found;
            output::text(&Schema::script(found, &Options::default())?)?;
        }
    }
    Ok(())
}

/// Only a Postgres has a schema.
fn postgres_url(place: &Place) -> Result<UrlSource, End> {
    let source = place.url();
    let masked = docket_core::masked_url(&source.read()?);
    let scheme = masked.split_once("://").map_or("***", |(scheme, _)| scheme);
    if matches!(scheme, "postgres" | "postgresql") {
        return Ok(source);
    }
    Err(End::usage(format!(
        "`docket migrate` is for a docket on Postgres; one on {scheme} has no schema. Give --url or DOCKET_URL, e.g. \
         postgres://USER@HOST/DATABASE"
    )))
}
