//! Args and results as they are stored: checked, on one line, and with every digit.

use serde_json::value::RawValue;

/// `bytes` if they are JSON, without the white space between its parts.
pub(crate) fn json(bytes: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(bytes).ok()?;
    // Order matters: only in valid JSON is it known where strings end.
    let checked: &RawValue = serde_json::from_str(text).ok()?;
    RawValue::from_string(compact(checked.get())).ok()
}

/// Valid JSON without the white space between its parts.
fn compact(json: &str) -> String {
    let (mut in_string, mut after_backslash) = (false, false);
    let keep = |c: &char| {
        let keep = in_string || !c.is_ascii_whitespace();
        if *c == '"' && !after_backslash {
            in_string = !in_string;
        }
        after_backslash = *c == '\\' && !after_backslash;
        keep
    };
    json.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_and_no_character_of_a_string_is_lost() {
        for (stored, shown) in [
            (" 340282366920938463463374607431768211455\n", "340282366920938463463374607431768211455"),
            ("{\n \"a \\\" b\": [1.10, 1e400],\t\"\\\\\" : \"x y\"}", r#"{"a \" b":[1.10,1e400],"\\":"x y"}"#),
            ("null", "null"),
        ] {
            assert_eq!(json(stored.as_bytes()).unwrap().get(), shown);
        }
        for stored in ["", "{", "a b", "\u{fe}"] {
            assert!(json(stored.as_bytes()).is_none(), "{stored}");
        }
        assert!(json(b"\"\xff\"").is_none());
    }
}
