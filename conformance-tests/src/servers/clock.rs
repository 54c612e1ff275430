//! A wall clock that a test moves, for one server alone: a library of ours, loaded before the server's own.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = include_str!("clock.c");

/// Makes the library, and the file that says how far the clock is moved, in the server's directory. A server that is
/// started there from now on follows it.
pub(super) fn give(directory: &Path) {
    let source = directory.join("clock.c");
    fs::write(&source, SOURCE).expect("a file can be written");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(directory.join("clock.so")).arg(source);
    let made = compiler.status().is_ok_and(|status| status.success());
    assert!(made, "a clock that can be moved needs a C compiler (apt-get install gcc libc6-dev)");
    fs::write(directory.join("clock"), 0_i64.to_ne_bytes()).expect("a file can be written");
}

/// Moves it: by so many seconds relative to the machine's.
pub(super) fn set(directory: &Path, ahead_seconds: i64) {
    let file = OpenOptions::new().write(true).open(directory.join("clock")).expect("the server was given a clock");
    // In place: the server maps it.
    file.write_all_at(&ahead_seconds.to_ne_bytes(), 0).expect("a file can be written");
}
