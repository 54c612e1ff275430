//! One call of a script, as it is sent.

use std::time::Duration;

use docket_core::{TaskKey, micros};
use redis::{Arg, Cmd};
use uuid::Uuid;

use crate::keys;
use crate::scripts::Script;

/// One call of a script, its arguments in the order in which the script reads them.
#[derive(Debug)]
pub(crate) struct Call {
    script: &'static Script,
    cmd: Cmd,
}

impl Call {
    /// Starts a call on the docket whose meta key is `meta`, with room for so many bytes of arguments.
    pub(crate) fn new(script: &'static Script, meta: &str, bytes: usize) -> Self {
        let mut cmd = Cmd::with_capacity(64, bytes + 512);
        cmd.arg("EVALSHA").arg(script.hash()).arg(1).arg(meta);
        Self { script, cmd }
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.cmd
    }

    /// The same call with the whole text of its script, for a server that does not know it yet.
    pub(crate) fn with_text(&self) -> Cmd {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(self.script.text());
        // After the command's name and the script's.
        for arg in self.cmd.args_iter().skip(2) {
            if let Arg::Simple(arg) = arg {
                cmd.arg(arg);
            }
        }
        cmd
    }

    pub(crate) fn text(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.bytes(text.as_ref().as_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.cmd.arg(bytes);
        self
    }

    pub(crate) fn key(&mut self, key: &TaskKey) -> &mut Self {
        self.bytes(&keys::pack(key))
    }

    pub(crate) fn id(&mut self, id: &Uuid) -> &mut Self {
        self.bytes(id.as_bytes())
    }

    pub(crate) fn number(&mut self, number: impl TryInto<i64>) -> &mut Self {
        // No count here comes near the limit.
        self.cmd.arg(number.try_into().unwrap_or(i64::MAX));
        self
    }

    pub(crate) fn micros(&mut self, duration: Duration) -> &mut Self {
        self.number(micros(duration))
    }

    /// A number that may be absent is sent as an empty text.
    pub(crate) fn optional(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.text(""),
        }
    }
}
