//! I7 No orphan: records and indexes are a bijection, and every key of the docket is reachable from them.

use std::collections::{BTreeMap, BTreeSet};

use docket_core::{Error, ErrorKind, Result};
use redis::{FromRedisValue, cmd};

use crate::fields::Fields;
use crate::{RedisBackend, keys, scripts};

const OPERATION: &str = "audit the docket";
/// Index entries compared per call.
const CHUNK: usize = 100;
/// The hashes for payloads that are too large for a record.
const APART: [&str; 3] = ["args", "results", "successors"];
/// Keys that a docket has once.
const SINGLE: [&str; 19] = [
    "args",
    "armed",
    "corrupt",
    "dead",
    "finished",
    "finished_counts",
    "successors",
    "kept",
    "leased",
    "meta",
    "queued",
    "requests:0",
    "requests:1",
    "results",
    "standby",
    "tasks",
    "wakes",
    "waiting",
    "workers",
];

/// One line per defect. Not atomic: in a docket at work, a concurrent change can look like one.
pub(crate) async fn audit(backend: &RedisBackend) -> Result<Vec<String>> {
    let mut defects = Vec::new();
    let indexes: BTreeSet<String> = backend.indexes().await?.2.into_iter().collect();
    let wakes: BTreeSet<String> = ask(backend, "SMEMBERS", "wakes").await?;
    for key in all_keys(backend).await? {
        if !is_reachable(&key, &indexes, &wakes) {
            defects.push(format!("the key {key} belongs to nothing"));
        }
    }
    compare_records(backend, &mut defects).await?;
    for index in &indexes {
        compare_index(backend, index, &mut defects).await?;
    }
    for key in ask::<BTreeSet<Vec<u8>>>(backend, "SMEMBERS", "corrupt").await? {
        let key = keys::unpack(key)?;
        defects.push(format!("the key {key} was set aside: its record or its index entry could not be used"));
    }
    Ok(defects)
}

/// Compares every record with its index and its payloads, and the payloads kept apart with the
/// records.
async fn compare_records(backend: &RedisBackend, defects: &mut Vec<String>) -> Result<()> {
    // By key, since a page may return a record twice.
    let (mut finished, mut apart) = (BTreeMap::new(), BTreeSet::new());
    let mut at = 0_u64;
    loop {
        let mut call = backend.call(&scripts::AUDIT, 0);
        call.text("records").text(at.to_string());
        let mut found = backend.run(&call, OPERATION).await?;
        defects.append(&mut found.each(Fields::text)?);
        finished.extend(found.each(|one| Ok((one.bytes()?, (one.text()?, one.count::<u64>()?))))?);
        apart.extend(found.each(|pair| Ok((pair.text()?, pair.bytes()?)))?);
        at = found.count()?;
        if at == 0 {
            break;
        }
    }
    let mut counts = BTreeMap::<String, u64>::new();
    let (mut finished_bytes, mut dead_bytes) = (0, 0);
    for (line, bytes) in finished.into_values() {
        *(if line.starts_with("dead|") { &mut dead_bytes } else { &mut finished_bytes }) += bytes;
        *counts.entry(line).or_default() += 1;
    }
    let counted: BTreeMap<String, u64> = ask(backend, "HGETALL", "finished_counts").await?;
    if counted != counts {
        defects.push(format!("finished records are {counts:?}, counted as {counted:?}"));
    }
    for (field, bytes) in [("finished_bytes", finished_bytes), ("dead_bytes", dead_bytes)] {
        let noted = noted(backend, field).await?;
        if noted != bytes {
            defects.push(format!("{field} are {bytes}, counted as {noted}"));
        }
    }
    for hash in APART {
        let named = apart.iter().filter(|(of, _): &&(String, Vec<u8>)| of == hash).count();
        let there = ask::<usize>(backend, "HLEN", hash).await?;
        if named != there {
            defects.push(format!("{hash} has {there} payloads, and records name {named}"));
        }
    }
    Ok(())
}

/// Compares every entry of one index with its record.
async fn compare_index(backend: &RedisBackend, index: &str, defects: &mut Vec<String>) -> Result<()> {
    for from in (0..).step_by(CHUNK) {
        let mut call = backend.call(&scripts::AUDIT, 0);
        call.text("index").text(index).number(from).number(CHUNK);
        let mut found = backend.run(&call, OPERATION).await?;
        defects.append(&mut found.each(Fields::text)?);
        if found.count::<usize>()? < CHUNK {
            break;
        }
    }
    Ok(())
}

/// Whether the docket uses this key.
fn is_reachable(key: &str, indexes: &BTreeSet<String>, wakes: &BTreeSet<String>) -> bool {
    // A private wake-up list expires by itself.
    SINGLE.contains(&key) || indexes.contains(key) || wakes.contains(key) || key.starts_with("p:")
}

/// Every key of the docket, without its prefix.
async fn all_keys(backend: &RedisBackend) -> Result<BTreeSet<String>> {
    let (mut found, mut cursor) = (BTreeSet::new(), 0_u64);
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(backend.keys.pattern("")).arg("COUNT").arg(1_000);
        let (next, keys): (u64, Vec<String>) = read(backend.commands.command(&scan, OPERATION).await?)?;
        found.extend(keys.iter().filter_map(|key| backend.keys.strip(key)).map(str::to_owned));
        cursor = next;
        if cursor == 0 {
            return Ok(found);
        }
    }
}

async fn ask<T: FromRedisValue>(backend: &RedisBackend, command: &str, key: &str) -> Result<T> {
    let mut question = cmd(command);
    question.arg(backend.keys.key(key));
    read(backend.commands.command(&question, OPERATION).await?)
}

/// A number of the docket, 0 if absent.
async fn noted(backend: &RedisBackend, field: &str) -> Result<u64> {
    let mut question = cmd("HGET");
    question.arg(backend.keys.key("meta")).arg(field);
    Ok(read::<Option<u64>>(backend.commands.command(&question, OPERATION).await?)?.unwrap_or(0))
}

fn read<T: FromRedisValue>(value: redis::Value) -> Result<T> {
    redis::from_redis_value(value)
        .map_err(|error| Error::new(ErrorKind::Corrupt, OPERATION, "a key has another type").with_source(error))
}
