//! Displaying text from elsewhere: on one line, without characters that a terminal obeys or hides.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters shown of a rejected text: enough to recognise it.
const QUOTED_CHARS_MAX: usize = 40;

/// `text` on one line: control characters, line and paragraph separators, and marks that change the
/// direction of text or are invisible become `\n`, `\r`, `\t` or `\u{…}`. Everything else stays.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // Writing into a text cannot fail.
            c if acts(c) => drop(write!(shown, "\\u{{{:x}}}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown.into()
}

/// A rejected text in quotes: its beginning, escaped, and without the secrets of a URL.
pub fn quoted(text: &str) -> String {
    let masked =
        if text.contains("://") || text.contains('@') { crate::contract::masked_url(text) } else { text.to_owned() };
    let beginning: String = masked.chars().take(QUOTED_CHARS_MAX).collect();
    format!("{beginning:?}")
}

/// JSON text without characters that a terminal obeys or hides: those that JSON allows become
/// `\uXXXX`. Outside its strings valid JSON has none of them.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let hides = |c: char| acts(c) && !c.is_ascii_whitespace();
    if !json.contains(hides) {
        return json.into();
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if hides(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a text cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// Whether a terminal or an editor would obey `c`, or show nothing for it. The joiners U+200C and
/// U+200D are used in several scripts and in emoji, and stay.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, shown) in [
            ("plain ü 👩‍💻 \\n", "plain ü 👩‍💻 \\n"),
            ("a\nstate ready\r\n\tb", "a\\nstate ready\\r\\n\\tb"),
            ("\u{1b}[2Jred\u{9b}0m", "\\u{1b}[2Jred\\u{9b}0m"),
            ("abc\u{202e}txt.exe\u{2066}", "abc\\u{202e}txt.exe\\u{2066}"),
            ("a\u{2028}b\u{feff}\u{e0041}", "a\\u{2028}b\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        let json = "{\n  \"a\": \"x\u{202e}\u{7f}\u{9b}\u{e0041}\\n\"\n}";
        let shown = escaped_json(json);
        assert!(shown.contains("\\u202e\\u007f\\u009b\\udb40\\udc41\\n\"\n}"), "{shown}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
    }

    #[test]
    fn a_refused_text_is_cut_and_masked() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"x".repeat(100)).len(), QUOTED_CHARS_MAX + 2);
        assert_eq!(quoted("redis://joe:secret@host/1"), "\"redis://***@host/1\"");
        assert_eq!(quoted("joe:secret@host"), "\"***@host\"");
    }
}
