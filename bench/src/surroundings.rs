//! On what, and with which settings, figures were taken.

use std::fmt::Write as _;
use std::process::Command;

use docket_core::{Settings, display_duration, limits};
use sqlx::{Connection as _, PgConnection};

use crate::Outcome;
use crate::bench::Scale;
use crate::servers::{Kind, Server};

/// Name and value, in the order they are shown.
pub(crate) async fn look(scale: Scale) -> Outcome<Vec<(String, String)>> {
    let settings = Settings::default();
    let timing = settings.timing()?;
    let mut all = vec![
        ("date".to_owned(), output("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])),
        ("commit".to_owned(), output("git", &["describe", "--always", "--dirty"])),
        ("machine".to_owned(), machine()),
        ("redis".to_owned(), redis().await?),
        ("postgres".to_owned(), postgres().await?),
        (
            "worker".to_owned(),
            format!(
                "lease {}, renewal {}, check_interval {}, retention {}",
                display_duration(timing.lease),
                display_duration(timing.renewal),
                display_duration(settings.check_interval),
                display_duration(limits::RETENTION),
            ),
        ),
        ("runs".to_owned(), format!("{} of each side, in turns; medians, with the least and the most", scale.rounds)),
    ];
    if scale.quick {
        all.push(("quick".to_owned(), "a tenth of the tasks; nothing is kept".to_owned()));
    }
    Ok(all)
}

/// The output of a command; nothing if it is missing.
fn output(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = memory.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let system = output("uname", &["-sr"]);
    format!("{cores} cores ({}), {} GiB, {system}", model.trim_start_matches([' ', '\t', ':']), kibibytes >> 20)
}

async fn redis() -> Outcome<String> {
    let server = Server::start(Kind::Redis).await;
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let version =
        info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or_default().trim().to_owned();
    let mut told = version;
    for setting in ["appendonly", "appendfsync", "maxmemory-policy"] {
        let (_, value): (String, String) =
            redis::cmd("CONFIG").arg("GET").arg(setting).query_async(&mut connection).await?;
        write!(told, ", {setting} {value}")?;
    }
    Ok(told)
}

async fn postgres() -> Outcome<String> {
    let server = Server::start(Kind::Postgres).await;
    let mut connection = PgConnection::connect(&server.url()).await?;
    let mut told = String::new();
    for setting in ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers"] {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut connection).await?;
        if setting == "server_version" {
            told += value.split(' ').next().unwrap_or_default();
        } else {
            write!(told, ", {setting} {value}")?;
        }
    }
    connection.close().await?;
    Ok(told)
}
