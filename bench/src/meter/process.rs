//! The system's counters of a process.

use std::fs;

use crate::Outcome;

/// The fields of `/proc/PID/stat` after the name, which may itself hold anything.
fn stat(pid: i32) -> Outcome<Vec<i64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').ok_or("the system tells of a process in another way")?;
    Ok(rest.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect())
}

/// The process that started it.
pub(crate) fn parent(pid: i32) -> Outcome<i32> {
    Ok(i32::try_from(stat(pid)?[0])?)
}

/// Seconds of processor time of a process and its children, those that have ended included.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52 ticks")]
pub(crate) fn family_cpu(pid: i32) -> Outcome<f64> {
    let own = stat(pid)?;
    let mut ticks: i64 = own[10..=13].iter().sum();
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Its parent counts one that has just ended.
        if let Ok(fields) = stat(child)
            && fields[0] == i64::from(pid)
        {
            ticks += fields[10] + fields[11];
        }
    }
    Ok(ticks as f64 / TICKS)
}

/// How many ticks the system's interface has in a second, on every Linux.
const TICKS: f64 = 100.0;

/// Seconds of processor time of a process, to a hundredth.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52 ticks")]
pub(crate) fn cpu(pid: i32) -> Outcome<f64> {
    let own = stat(pid)?;
    Ok((own[10] + own[11]) as f64 / TICKS)
}

/// MiB of memory that it has resident.
pub(crate) fn resident(pid: i32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the system does not tell VmRSS")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024.0)
}
