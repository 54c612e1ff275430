//! The log of every test of this process: look for something that only one scene logs (a worker, a
//! port).

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static INSTALL: Once = Once::new();
static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

/// Lines of this level that hold all of `texts`.
pub(crate) fn count(level: Level, texts: &[&str]) -> usize {
    let lines = LINES.lock().unwrap();
    lines.iter().filter(|(found, line)| *found == level && texts.iter().all(|text| line.contains(text))).count()
}

/// Keeps everything logged from now on.
pub(crate) fn keep() {
    INSTALL.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Keep);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else keeps the log of this process");
    });
}

struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::INFO {
            return;
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.lock().unwrap().push((level, line.0));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("a string takes what is written");
    }
}
