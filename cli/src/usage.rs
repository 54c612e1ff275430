//! Messages about a command line that cannot be parsed. It may contain secrets: a URL with its
//! password, args.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use docket_core::masked_url;
use docket_core::shown::escaped;

use crate::args::Args;

/// Parses the command line; else prints what is wrong with it, and returns the exit code.
pub(crate) fn parse() -> Result<Args, ExitCode> {
    Args::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // Help and version. A reader that has seen enough is not a failure.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let line: Vec<String> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
        #[expect(clippy::print_stderr, reason = "the last word of the command")]
        {
            eprint!("{}", told(error, &line));
        }
        ExitCode::from(2)
    })
}

/// The message of `error` about `line`, without anything that may be a secret.
fn told(mut error: clap::Error, line: &[String]) -> String {
    let is_args = matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if arg.contains("JSON"));
    if is_args {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".to_owned()));
    }
    // Args that a shell has split are surplus arguments.
    let is_rest = |arg: &str| !arg.starts_with('-') && line.iter().any(|word| word == "add");
    if error.kind() == ErrorKind::UnknownArgument
        && matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if is_rest(arg))
    {
        error.insert(ContextKind::InvalidArg, ContextValue::String("…".to_owned()));
    }
    let mut told = error.render().to_string();
    for word in line {
        let value = word.split_once('=').map_or(word.as_str(), |(_, value)| value);
        for text in [word.as_str(), value] {
            let may = without_secret(text);
            if may != text {
                told = told.replace(text, &may);
            }
        }
    }
    told
}

fn without_secret(text: &str) -> String {
    if text.contains("://") || text.contains('@') { masked_url(text) } else { escaped(text).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_and_no_args_of_a_bad_command_line_are_shown() {
        for line in [
            &["stats", "redis://joe:secret@host"][..],
            &["redis://joe:secret@host"],
            &["stats", "--in=redis://joe:secret@host"],
            &["stats", "--redis://joe:secret@host"],
            &["ls", "--state", "joe:secret@host"],
            &["add", "greet", "{}", "--in", "redis://joe:secret@host"],
            &["add", "greet", "{}", "--at=joe:secret@host"],
            &["add", "redis://joe:secret@host"],
            &["add", "greet", "{\"token\": \"secret\""],
            &["add", "greet", "{}", "secret"],
            &["add", "greet", "{token:", "secret}"],
            &["worker", "--queues", "joe:secret@host"],
        ] {
            let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
            let error = Args::try_parse_from(std::iter::once("docket".to_owned()).chain(line.clone())).unwrap_err();
            let told = told(error, &line);
            assert!(!told.contains("secret") && !told.contains("joe"), "{line:?}: {told}");
            assert!(told.starts_with("error: "), "{line:?}: {told}");
        }
    }

    #[test]
    fn a_bad_word_is_named_and_does_not_act() {
        for (word, shown) in [("sta\u{202e}ts", "sta\\u{202e}ts"), ("sta\u{1b}[2Jts", "'"), ("a\nb", "a\\nb")] {
            let line = [word.to_owned()];
            let told = told(Args::try_parse_from(["docket", word]).unwrap_err(), &line);
            assert!(told.contains(shown) && !told.contains(word), "{told}");
            assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
        }
    }
}
