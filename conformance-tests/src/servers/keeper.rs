//! A shell that ends a little later than the test process, and ends everything that it started.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Runs a script that obeys one word per line of its input, and answers each with a line. Its input
/// ends when it is dropped, and when this process ends in any way: the script cleans up then.
pub(super) struct Keeper {
    shell: Child,
    /// Taken when dropped: the end of it is the shell's sign.
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Starts the shell; the arguments are `$1` and on.
    pub(super) fn new(script: &str, arguments: &[&OsStr]) -> Self {
        Self::spawn(&mut Self::shell(script, arguments))
    }

    /// The same, as another user. Only root may.
    pub(super) fn new_as(user: u32, script: &str, arguments: &[&OsStr]) -> Self {
        Self::spawn(Self::shell(script, arguments).uid(user).gid(user))
    }

    fn shell(script: &str, arguments: &[&OsStr]) -> Command {
        let mut shell = Command::new("sh");
        // Signals to the test's process group must not reach it: it has to clean up. A group of its
        // own gets one more: a hang-up, when its parent dies while a process in it is stopped.
        let script = format!("trap '' HUP\n{script}");
        shell.args(["-c", &script, "keeper"]).args(arguments).process_group(0);
        shell
    }

    fn spawn(shell: &mut Command) -> Self {
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().expect("a shell can be started");
        let words = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("it was piped"));
        Self { shell, words, answers }
    }

    /// Tells it a word; waits for the answer.
    pub(super) fn tell(&mut self, word: &str) -> String {
        let words = self.words.as_mut().expect("it is taken when dropped");
        writeln!(words, "{word}").expect("the keeper listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the keeper answers");
        answer.trim().to_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.words.take());
        // Reaped, so that all is gone before the test is.
        let _ = self.shell.wait();
    }
}
