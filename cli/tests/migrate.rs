//! `docket migrate` against a real Postgres, and psql.

#[path = "common/said.rs"]
mod said;

use std::process::{Command, Stdio};

use conformance_tests::servers::PostgresServer;
use said::Said;

fn docket(url: &str, arguments: &[&str]) -> Said {
    docket_with(url, arguments, &[])
}

fn docket_with(url: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docket"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOCKET_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command.args(arguments).env("DOCKET_URL", url).envs(environment.iter().copied()).stdin(Stdio::null());
    said(&mut command)
}

fn said(command: &mut Command) -> Said {
    Said::from(command.output().expect("the command can be run"))
}

/// Runs SQL as a DBA would.
fn psql(url: &str, sql: &str) -> Said {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
    file.write_all(sql.as_bytes()).expect("it can be written");
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
    said(command.arg(url).arg("--file").arg(file.path()))
}

/// A further database of a server.
fn database(server: &PostgresServer, name: &str) -> String {
    let url = server.url();
    assert_eq!(psql(&url, &format!("CREATE DATABASE {name}")).code, 0, "psql is there (postgresql-client)");
    format!("{}/{name}", url.rsplit_once('/').expect("it has a database").0)
}

/// Everything that makes up the schema: columns, indexes, settings, functions, types, triggers. `{script}` is the printed script.
///
/// Of the options of a table or a column it shows those that the script sets. A server may note others of its own: since
/// 15.20 Debian's writes `pg_attver` on every column.
const SHAPE: &str = "
  CREATE FUNCTION pg_temp.set_by_us(options text[]) RETURNS text[] LANGUAGE sql AS $set_by_us$
    SELECT array_agg(option ORDER BY option) FROM unnest(options) option
      WHERE strpos($script${script}$script$, split_part(option, '=', 1) || ' = ') > 0 $set_by_us$;
  SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation,
      a.attstattarget, pg_temp.set_by_us(a.attoptions), pg_get_expr(e.adbin, e.adrelid)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef e ON (e.adrelid, e.adnum) = (c.oid, a.attnum)
    WHERE c.relnamespace = 'docket'::regnamespace AND a.attnum > 0 ORDER BY c.relname, a.attnum;
  SELECT relname, relkind, relpersistence, pg_temp.set_by_us(reloptions) FROM pg_class WHERE relnamespace = 'docket'::regnamespace ORDER BY 1;
  SELECT indexdef FROM pg_indexes WHERE schemaname = 'docket' ORDER BY 1;
  SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'docket'::regnamespace ORDER BY 1, 2;
  SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'docket'::regnamespace ORDER BY oid::regprocedure::text;
  SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'docket'::regnamespace AND NOT t.tgisinternal ORDER BY 1;
  SELECT version FROM docket.migration ORDER BY 1;";

/// The schema in a database, as far as the printed script makes it.
fn shape(url: &str, script: &str) -> Said {
    psql(url, &SHAPE.replace("{script}", script))
}

#[tokio::test]
async fn the_printed_script_makes_the_schema_that_up_makes() {
    let server = PostgresServer::start().await;
    let (by_up, by_psql) = (database(&server, "by_up"), database(&server, "by_psql"));
    let printed = docket(&by_psql, &["migrate", "sql"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let up = docket(&by_up, &["migrate", "up"]);
    assert!(up.code == 0 && up.stdout.starts_with("from version 0 to "), "{}{}", up.stdout, up.stderr);
    let run = psql(&by_psql, &printed.stdout);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let (made, other) = (shape(&by_up, &printed.stdout), shape(&by_psql, &printed.stdout));
    assert!(made.code == 0 && made.stdout.lines().count() > 500, "{}", made.stderr);
    assert!(
        made.stdout.contains("{n_distinct=1}") && made.stdout.contains("fillfactor=30"),
        "the options are compared"
    );
    assert_eq!(made.stdout, other.stdout);
    assert_eq!(docket(&by_psql, &["migrate", "status"]).code, 0);
    // Once more by mistake: it is refused, and nothing has changed.
    let again = psql(&by_psql, &printed.stdout);
    assert!(again.code == 3 && again.stderr.contains("not of version 0"), "{}", again.stderr);
    assert_eq!(shape(&by_psql, &printed.stdout).stdout, made.stdout);
    // Without a server, from a version that is named.
    assert_eq!(docket("", &["migrate", "sql", "--from", "0"]).stdout, printed.stdout);
    assert_eq!(docket("", &["migrate", "sql", "--from", "1000"]).code, 2);
}

#[tokio::test]
async fn status_says_what_is_there_and_what_is_needed() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let behind = docket(&url, &["migrate", "status"]);
    assert!(behind.code == 1 && behind.stdout.starts_with("version 0, but "), "{}", behind.stdout);
    assert!(behind.stderr.contains("docket migrate up"), "{}", behind.stderr);
    assert_eq!(docket(&url, &["migrate", "up"]).code, 0);
    let status = docket(&url, &["migrate", "status", "--json"]);
    let versions: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!((status.code, &versions["found"]), (0, &versions["needed"]));
    psql(&url, "INSERT INTO docket.migration (version) VALUES (999)");
    let newer = docket(&url, &["migrate", "status"]);
    assert!(newer.code == 1 && newer.stderr.contains("newer"), "{}", newer.stderr);
    assert_eq!(docket(&url, &["migrate", "up"]).code, 1);
    server.kill9();
    assert_eq!(docket(&url, &["migrate", "status"]).code, 3);
}

#[tokio::test]
async fn who_was_told_never_to_migrate_does_not_and_a_look_never_does() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let refused = docket_with(&url, &["add", "trace"], &[("DOCKET_MIGRATE", "never")]);
    assert!(refused.code == 1 && refused.stderr.contains("docket migrate up"), "{}", refused.stderr);
    assert_eq!(docket(&url, &["stats"]).code, 1, "a report makes no schema");
    assert_eq!(psql(&url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'docket'").stdout, "0\n");
    assert_eq!(docket(&url, &["migrate", "up"]).code, 0);
    let added = docket_with(&url, &["add", "trace"], &[("DOCKET_MIGRATE", "never")]);
    assert_eq!(added.code, 0, "{}", added.stderr);
}

#[test]
fn a_store_without_a_schema_says_so() {
    for (url, scheme) in [("redis://joe:secret@localhost", "redis"), ("", "memory"), ("joe:secret@localhost", "***")] {
        let said = docket(url, &["migrate", "up"]);
        assert!(said.code == 2 && said.stderr.contains(scheme), "{}", said.stderr);
        assert!(said.stderr.contains("Postgres") && !said.stderr.contains("secret"), "{}", said.stderr);
    }
}
