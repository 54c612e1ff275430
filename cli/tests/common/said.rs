//! What a command said.

use std::process::Output;

/// What it said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is text");
        let code = output.status.code().expect("it ended by itself");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
