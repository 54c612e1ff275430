//! Commands as a client writes them, on either wire.

use super::{postgres, redis};

/// The protocol of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wire {
    Redis,
    Postgres,
}

impl Wire {
    /// The protocol of URLs with this scheme.
    pub(super) fn of(scheme: &str) -> Self {
        if scheme.starts_with("postgres") { Self::Postgres } else { Self::Redis }
    }

    pub(super) fn port(self) -> u16 {
        match self {
            Self::Redis => 6379,
            Self::Postgres => 5432,
        }
    }

    /// A command that does nothing but be answered with `error`.
    pub(super) fn refusal(self, error: &str) -> Vec<u8> {
        match self {
            Self::Redis => redis::refusal(error),
            Self::Postgres => postgres::refusal(error),
        }
    }
}

/// Cuts a stream of bytes into commands.
#[derive(Debug)]
pub(super) struct Reader {
    wire: Wire,
    bytes: Vec<u8>,
    is_first: bool,
}

/// The first command of some bytes.
pub(super) struct Seen {
    /// Where it ends.
    pub(super) end: usize,
    pub(super) name: String,
    pub(super) is_call: bool,
}

impl Seen {
    pub(super) fn new(end: usize, name: &str) -> Self {
        Self { end, name: name.to_ascii_uppercase(), is_call: false }
    }
}

/// One command.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Command {
    /// In upper case: `EVALSHA`; on Postgres the first word of the statement, and `EXECUTE` of one sent before.
    pub(super) name: String,
    /// Whether it is a call of a backend's verb: a script, a function.
    pub(super) is_call: bool,
    /// As it was written.
    pub(super) bytes: Vec<u8>,
}

impl Command {
    /// Whether it contains `text`.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Reader {
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire, bytes: Vec::new(), is_first: true }
    }

    /// Adds bytes that were read.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next command that is there as a whole.
    pub(super) fn next(&mut self) -> Option<Command> {
        let Seen { end, name, is_call } = match self.wire {
            Wire::Redis => redis::measure(&self.bytes)?,
            Wire::Postgres => postgres::measure(&self.bytes, self.is_first)?,
        };
        self.is_first &= name == postgres::TLS_REQUEST;
        let rest = self.bytes.split_off(end);
        Some(Command { name, is_call, bytes: std::mem::replace(&mut self.bytes, rest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names found, however the bytes come.
    fn names(wire: Wire, bytes: &[u8]) -> Vec<String> {
        let read = |step| {
            let mut reader = Reader::new(wire);
            let mut found = Vec::new();
            for chunk in bytes.chunks(step) {
                reader.extend(chunk);
                found.extend(std::iter::from_fn(|| reader.next()));
            }
            assert_eq!(found.iter().flat_map(|command| command.bytes.clone()).collect::<Vec<u8>>(), bytes);
            found.into_iter().map(|command| command.name).collect::<Vec<String>>()
        };
        let whole = read(bytes.len());
        for step in 1..bytes.len() {
            assert_eq!(read(step), whole, "in steps of {step}");
        }
        whole
    }

    #[test]
    fn commands_of_redis_are_found() {
        let wire = b"*2\r\n$5\r\nblpop\r\n$4\r\n\r\n$1\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n";
        assert_eq!(names(Wire::Redis, wire), ["BLPOP", "PING", "QUIT"]);
    }

    #[test]
    fn commands_of_postgres_are_found() {
        let wire = [
            b"\0\0\0\x08\x04\xd2\x16\x2f".as_slice(),
            b"\0\0\0\x09\0\x03\0\0\0",
            b"Q\0\0\0\x0dlisten c\0",
            b"P\0\0\0\x0fs\0SELECT 1\0D\0\0\0\x05SS\0\0\0\x04",
            b"B\0\0\0\x07abcE\0\0\0\x04S\0\0\0\x04",
            b"X\0\0\0\x04",
        ]
        .concat();
        assert_eq!(names(Wire::Postgres, &wire), ["TLS", "STARTUP", "LISTEN", "SELECT", "EXECUTE", "EXECUTE"]);
    }

    #[test]
    fn a_refusal_is_a_command_itself() {
        for (wire, name) in [(Wire::Redis, "EVAL"), (Wire::Postgres, "DO")] {
            let mut reader = Reader::new(wire);
            reader.is_first = false;
            reader.extend(&wire.refusal("WEIRD and more"));
            let command = reader.next().unwrap();
            assert!(command.name == name && command.holds("and more"), "{command:?}");
        }
    }
}
