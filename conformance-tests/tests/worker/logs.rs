//! The log of every test of this process: look for something that only one scene logs, such as a
//! key of its own.

use std::io;
use std::sync::{Mutex, Once};

use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

static INSTALL: Once = Once::new();
/// As text, of a process that logs from `warn` on: the spans of runs are `info`, and are not there.
static TEXT: Log = Log(Mutex::new(Vec::new()));
/// As JSON, from `info` on.
static JSON: Log = Log(Mutex::new(Vec::new()));

/// Keeps everything logged from now on.
pub(crate) fn keep() {
    INSTALL.call_once(|| {
        let text = fmt::layer().with_ansi(false).with_writer(&TEXT).with_filter(LevelFilter::WARN);
        let json = fmt::layer().json().with_writer(&JSON).with_filter(LevelFilter::INFO);
        let subscriber = tracing_subscriber::registry().with(text).with(json);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else keeps the log of this process");
    });
}

/// The lines of a process that logs from `warn` on that hold `text`.
pub(crate) fn lines(text: &str) -> Vec<String> {
    TEXT.lines().into_iter().filter(|line| line.contains(text)).collect()
}

/// The lines of JSON that hold `text`.
pub(crate) fn json(text: &str) -> Vec<Value> {
    let lines = JSON.lines().into_iter().filter(|line| line.contains(text));
    lines.map(|line| serde_json::from_str(&line).expect("a line of JSON")).collect()
}

struct Log(Mutex<Vec<u8>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(ToOwned::to_owned).collect()
    }
}

impl io::Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static Log {
    type Writer = &'static Log;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
