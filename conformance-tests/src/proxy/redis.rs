//! Commands as a Redis client writes them: arrays of texts.

use super::command::Seen;

/// The first command that is there as a whole.
pub(super) fn measure(bytes: &[u8]) -> Option<Seen> {
    let (head, mut at) = line(bytes, 0)?;
    let Some(items) = head.strip_prefix('*').and_then(|count| count.parse::<usize>().ok()) else {
        // A command on one line, as people type it.
        return Some(Seen::new(at, head.split(' ').next().unwrap_or_default()));
    };
    let mut name = String::new();
    for item in 0..items {
        let (length, start) = line(bytes, at)?;
        let length: usize = length.strip_prefix('$')?.parse().ok()?;
        let text = bytes.get(start..start + length)?;
        if item == 0 {
            name = String::from_utf8_lossy(text).into_owned();
        }
        at = start + length + 2;
    }
    let seen = Seen::new(at, &name);
    let is_call = seen.name == "EVALSHA" || seen.name == "EVAL";
    (at <= bytes.len()).then_some(Seen { is_call, ..seen })
}

/// A script that does nothing but answer with `error`.
pub(super) fn refusal(error: &str) -> Vec<u8> {
    let script = format!("return redis.error_reply('{error}')");
    format!("*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n", script.len()).into_bytes()
}

/// The line that starts at `start`, and where the next one does.
fn line(bytes: &[u8], start: usize) -> Option<(&str, usize)> {
    let rest = bytes.get(start..)?;
    let end = rest.windows(2).position(|window| window == b"\r\n")?;
    Some((std::str::from_utf8(&rest[..end]).unwrap_or_default(), start + end + 2))
}
