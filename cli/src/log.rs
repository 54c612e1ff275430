//! The log of the command, on stderr.

use std::io::{self, IsTerminal as _, Write};

use docket_core::shown::escaped;
use tracing_subscriber::EnvFilter;

/// Logs what `RUST_LOG` asks for, else what `default` says.
pub(crate) fn start(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Escaping(io::stderr()))
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Escapes characters that a terminal obeys or hides. Line ends and colours come from the
/// formatter, which has escaped others.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut shown = String::with_capacity(text.len());
        for part in text.split_inclusive(['\n', '\u{1b}']) {
            let inner = part.trim_end_matches(['\n', '\u{1b}']);
            shown.push_str(&escaped(inner));
            shown.push_str(&part[inner.len()..]);
        }
        self.0.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_direction_is_escaped_and_colours_stay() {
        let mut written = Escaping(Vec::new());
        written.write_all("\u{1b}[33m WARN\u{1b}[0m key=a\u{202e}b\n".as_bytes()).unwrap();
        assert_eq!(written.0, "\u{1b}[33m WARN\u{1b}[0m key=a\\u{202e}b\n".as_bytes());
    }
}
