//! Commands as a client writes them: arrays of texts.

/// Cuts a stream of bytes into commands.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
}

/// One command.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Command {
    /// In upper case, e.g. `EVALSHA`.
    pub(super) name: String,
    /// As it was written.
    pub(super) bytes: Vec<u8>,
}

impl Command {
    /// Whether `text` stands anywhere in it.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    pub(super) fn is_script(&self) -> bool {
        self.name == "EVALSHA" || self.name == "EVAL"
    }

    /// A script that does nothing but answer with `error`.
    pub(super) fn refusal(error: &str) -> Vec<u8> {
        let script = format!("return redis.error_reply('{error}')");
        format!("*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n", script.len()).into_bytes()
    }
}

impl Reader {
    /// Takes in what was read.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next command that is there as a whole.
    pub(super) fn next(&mut self) -> Option<Command> {
        let (end, name) = self.measure()?;
        let rest = self.bytes.split_off(end);
        Some(Command { name, bytes: std::mem::replace(&mut self.bytes, rest) })
    }

    /// Where the first command ends, and its name.
    fn measure(&self) -> Option<(usize, String)> {
        let (head, mut at) = self.line(0)?;
        let Some(items) = head.strip_prefix('*').and_then(|count| count.parse::<usize>().ok()) else {
            // A command on one line, as people type it.
            return Some((at, head.split(' ').next().unwrap_or_default().to_ascii_uppercase()));
        };
        let mut name = String::new();
        for item in 0..items {
            let (length, start) = self.line(at)?;
            let length: usize = length.strip_prefix('$')?.parse().ok()?;
            let text = self.bytes.get(start..start + length)?;
            if item == 0 {
                name = String::from_utf8_lossy(text).to_ascii_uppercase();
            }
            at = start + length + 2;
        }
        (at <= self.bytes.len()).then_some((at, name))
    }

    /// The line that starts at `start`, and where the next one does.
    fn line(&self, start: usize) -> Option<(&str, usize)> {
        let rest = self.bytes.get(start..)?;
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        Some((std::str::from_utf8(&rest[..end]).unwrap_or_default(), start + end + 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_however_the_bytes_come() {
        let wire = b"*2\r\n$5\r\nblpop\r\n$4\r\n\r\n$1\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n";
        for step in 1..wire.len() {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for chunk in wire.chunks(step) {
                reader.extend(chunk);
                found.extend(std::iter::from_fn(|| reader.next()));
            }
            let names: Vec<&str> = found.iter().map(|command| command.name.as_str()).collect();
            assert_eq!(names, ["BLPOP", "PING", "QUIT"], "in steps of {step}");
            assert_eq!(found.into_iter().flat_map(|command| command.bytes).collect::<Vec<u8>>(), wire);
        }
    }
}
