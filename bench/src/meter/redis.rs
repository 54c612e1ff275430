//! Redis' counters: `INFO` and `commandstats`.

use redis::aio::MultiplexedConnection;

use super::Look;
use crate::Outcome;

/// Commands that a client sends; everything else in the statistics was called inside a script.
const SENT: [&str; 10] =
    ["auth", "blpop", "client|", "config|", "eval", "evalsha", "fcall", "hello", "ping", "script|"];
/// The commands of reading the counters; a worker sends few of them.
const OURS: [&str; 2] = ["info", "config|resetstat"];

pub(crate) struct Meter(MultiplexedConnection);

impl Meter {
    pub(super) async fn on(url: &str) -> Outcome<Self> {
        Ok(Self(redis::Client::open(url)?.get_multiplexed_async_connection().await?))
    }

    pub(super) async fn look(&mut self) -> Outcome<Look> {
        let all: String = redis::cmd("INFO").arg("everything").query_async(&mut self.0).await?;
        let value = |name: &str| -> Outcome<f64> {
            let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Ok(line.ok_or_else(|| format!("the server does not tell {name}"))?.trim().parse()?)
        };
        let (sent, inside, looks) = commands(&all)?;
        Ok(Look {
            cpu: value("used_cpu_sys")? + value("used_cpu_user")?,
            sent,
            inside,
            looks,
            log: None,
            // Without the memory of connections and of data not yet written out.
            stored: value("used_memory")? - value("mem_clients_normal")? - value("mem_aof_buffer")?,
        })
    }
}

/// Commands sent, commands called by scripts, and calls of scripts.
fn commands(all: &str) -> Outcome<(f64, f64, f64)> {
    let (mut sent, mut inside, mut scripts) = (0.0, 0.0, 0.0);
    for line in all.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
        let (name, rest) = line.split_once(":calls=").ok_or("the server's statistics have another shape")?;
        let calls: f64 = rest.split(',').next().unwrap_or_default().parse()?;
        if OURS.contains(&name) {
            continue;
        }
        if SENT.iter().any(|sent| name == *sent || (sent.ends_with('|') && name.starts_with(sent))) {
            sent += calls;
        } else {
            inside += calls;
        }
        if name == "evalsha" || name == "eval" {
            scripts += calls;
        }
    }
    Ok((sent, inside, scripts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sends_is_told_from_what_scripts_call() {
        let told = "cmdstat_evalsha:calls=3,usec=1\ncmdstat_client|setinfo:calls=2,usec=1\ncmdstat_zadd:calls=7,usec=1\n\
                    cmdstat_info:calls=9,usec=1\n";
        assert_eq!(commands(told).unwrap(), (5.0, 7.0, 3.0));
    }
}
