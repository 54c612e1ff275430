//! Commands as a Postgres client writes them: messages, up to the one after which it waits for an answer.

use super::command::Seen;

/// Messages after which the server answers: a query, the end of a batch, a password.
const ASKS: [u8; 3] = [b'Q', b'S', b'p'];
/// Closes the connection.
const TERMINATE: u8 = b'X';
/// Carry a statement's text.
const QUERY: u8 = b'Q';
const PARSE: u8 = b'P';
/// Carries the values of a statement that is run.
const BIND: u8 = b'B';

/// Asks whether the server speaks TLS; after it the first message is still to come.
pub(super) const TLS_REQUEST: &str = "TLS";
/// A start-up message is never as short.
const TLS_REQUEST_BYTES: usize = 8;

/// The first command that is there as a whole. `is_first` says that the first message is to come: it has no type.
pub(super) fn measure(bytes: &[u8], is_first: bool) -> Option<Seen> {
    if is_first {
        let end = end_of(bytes, 0)?;
        return Some(Seen::new(end, if end == TLS_REQUEST_BYTES { TLS_REQUEST } else { "STARTUP" }));
    }
    let (mut at, mut name, mut is_call) = (0, String::new(), false);
    loop {
        let kind = *bytes.get(at)?;
        let end = end_of(bytes, at + 1)?;
        let content = &bytes[at + 5..end];
        match kind {
            QUERY => name = word(content),
            // The statement's own name comes first.
            PARSE => name = word(content.splitn(2, |byte| *byte == 0).nth(1).unwrap_or_default()),
            BIND => is_call = true,
            _ => {}
        }
        at = end;
        if ASKS.contains(&kind) || kind == TERMINATE {
            let name = if name.is_empty() { "EXECUTE" } else { &name };
            return Some(Seen { is_call, ..Seen::new(at, name) });
        }
    }
}

/// A statement that does nothing but fail with `error`, whose first word is an SQLSTATE.
pub(super) fn refusal(error: &str) -> Vec<u8> {
    let (code, text) = error.split_once(' ').unwrap_or((error, ""));
    let statement = format!("DO $$ BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = '{code}'; END $$\0");
    let length = u32::try_from(statement.len() + 4).expect("a short statement");
    [&[QUERY], length.to_be_bytes().as_slice(), statement.as_bytes()].concat()
}

/// The end of a message whose length, which includes itself, is at `at`.
fn end_of(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes.get(at..at + 4)?.try_into().map(u32::from_be_bytes).ok()?;
    let end = at + usize::try_from(length).ok()?;
    (end <= bytes.len()).then_some(end)
}

fn word(statement: &[u8]) -> String {
    let text = String::from_utf8_lossy(statement);
    text.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_owned()
}
