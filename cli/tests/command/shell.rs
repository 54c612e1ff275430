//! The built command, as a shell would call it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::Redis;
use crate::said::Said;

/// The command on one store, as a shell would call it.
pub(crate) struct Shell {
    url: String,
}

impl Shell {
    pub(crate) fn on(redis: &Redis) -> Self {
        Self { url: redis.url() }
    }

    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docket"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOCKET_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command.args(arguments).env("DOCKET_URL", &self.url).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().expect("the command can be run"))
    }

    /// Runs it and expects it to end well.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said.stdout).expect("stdout is JSON")
    }

    pub(crate) fn show(&self, key: &str) -> Value {
        self.json(&["show", key])
    }

    pub(crate) fn worker(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(&[&["worker"], arguments].concat());
        Running(command.stderr(Stdio::null()).spawn().expect("the command can be run"))
    }

    /// Waits until `key` is in `state`.
    pub(crate) fn wait_for(&self, key: &str, state: &str) {
        let started = Instant::now();
        while self.show(key)["state"] != state {
            assert!(started.elapsed() < Duration::from_secs(20), "{key} is not {state}: {}", self.show(key));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A command at work; killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn terminate(&self) {
        let kill = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(kill.expect("kill can be run").success());
    }

    pub(crate) fn end(&mut self) -> i32 {
        self.0.wait().expect("it can be waited for").code().expect("it ended by itself")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Safe to lose: it may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
