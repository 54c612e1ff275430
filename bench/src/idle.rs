//! What a worker with nothing to do costs the store.

use std::time::Duration;

use docket_core::Settings;

use crate::Outcome;
use crate::stage::Stage;

/// What a client sends; everything else in the statistics was called inside a script.
const SENT: [&str; 10] = ["auth", "blpop", "client|", "config|", "eval", "evalsha", "hello", "info", "ping", "script|"];

pub(crate) async fn figure(seconds: u64) -> Outcome {
    let stage = Stage::redis().await?;
    let worker = stage.worker(Settings::default())?;
    let stop = worker.stop();
    let running = tokio::spawn(worker.run());
    // Past the start: joining, seeding, the first look.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut server = stage.connection().await?;
    redis::cmd("CONFIG").arg("RESETSTAT").query_async::<()>(&mut server).await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut server).await?;
    let (mut sent, mut inside) = (0, 0);
    for line in stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
        let (name, rest) = line.split_once(":calls=").ok_or("the server's statistics have another shape")?;
        let calls: u64 = rest.split(',').next().unwrap_or("").parse()?;
        // The look itself is ours, not the worker's.
        match name {
            "info" | "config|resetstat" => {}
            _ if SENT.iter().any(|sent| name == *sent || (sent.ends_with('|') && name.starts_with(sent))) => {
                sent += calls;
            }
            _ => inside += calls,
        }
    }
    stop.stop();
    running.await??;
    println!(
        "redis: an idle worker for {seconds} s: {} commands sent per second, {} more inside scripts",
        rate(sent, seconds),
        rate(inside, seconds)
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
fn rate(count: u64, seconds: u64) -> String {
    format!("{:.2}", count as f64 / seconds as f64)
}
