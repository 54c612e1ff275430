//! Args, results and the answers of other systems as JSON: written so that a worker can read them,
//! and read without exposing their contents.

mod checked;

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;

use checked::{Checked, Notes};

/// JSON of a value.
pub(crate) struct Encoded {
    pub(crate) json: Vec<u8>,
    /// It has integers of 128 bits. A type that serde reads through a buffer (`flatten`,
    /// `untagged`, an internal tag) writes them and cannot read them.
    pub(crate) is_wide: bool,
}

/// JSON of `value`, or the field that no reader could read again: a number that is not finite,
/// which would become `null`, or a value nested deeper than a reader goes.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Encoded, String> {
    let notes = Notes::default();
    let mut json = Vec::with_capacity(128);
    match value.serialize(Checked::new(&mut serde_json::Serializer::new(&mut json), &notes)) {
        Ok(()) => Ok(Encoded { json, is_wide: notes.is_wide() }),
        Err(error) => Err(notes.told().unwrap_or_else(|| error.to_string())),
    }
}

/// Decodes `json`.
///
/// # Errors
///
/// The place where the JSON does not fit, and the type that was expected there. The error does not
/// show the value, since it may be a secret (serde's own messages repeat it).
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| match (error.classify(), path::<T>(json)) {
        // Its messages about JSON itself repeat none of it.
        (Category::Io | Category::Syntax | Category::Eof, _) => error.to_string(),
        (Category::Data, path) => format!("{path}: {}", reason(&error.to_string())),
    })
}

/// Where reading `json` fails: read again, since tracking the path costs an allocation per field.
fn path<T: DeserializeOwned>(json: &[u8]) -> String {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) else { return "at the end".to_owned() };
    let mut path = String::new();
    for segment in error.path() {
        match segment {
            // Writing into a text cannot fail.
            Segment::Seq { index } => drop(write!(path, "[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                path.extend([".", if is_name(key) { key } else { "*" }]);
            }
            Segment::Unknown => path.push_str(".?"),
        }
    }
    match path.trim_start_matches('.') {
        "" => "as a whole".to_owned(),
        path => format!("at {path}"),
    }
}

/// Whether `key` looks like the name of a field, not like a key that contains data.
fn is_name(key: &str) -> bool {
    key.len() <= 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// serde's message about a value that does not fit, without the value. The message is `KIND: VALUE,
/// expected TYPE`.
fn reason(words: &str) -> String {
    // These names are the type's own.
    if words.starts_with("missing field `") || words.starts_with("duplicate field `") {
        return words.to_owned();
    }
    let kinds = [
        ("invalid type: ", "invalid type"),
        ("invalid value: ", "invalid value"),
        ("invalid length ", "invalid length"),
        ("unknown variant ", "unknown variant"),
        ("unknown field ", "unknown field"),
    ];
    let kind = kinds.into_iter().find(|(start, _)| words.starts_with(start));
    // The last one: the value may contain `expected` too.
    match (kind, words.rsplit_once(", expected ")) {
        (Some((_, kind)), Some((_, expected))) => format!("{kind}, expected {expected}"),
        _ => "its type does not accept the value there".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Outer {
        user: Vec<User>,
    }

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct User {
        age: u32,
        kind: Kind,
        #[serde(default)]
        at: BTreeMap<String, u8>,
    }

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Person,
        Robot,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[expect(dead_code, reason = "it is only read")]
        a: crate::contract::TaskName,
    }

    #[test]
    fn what_cannot_be_read_is_told_by_path_and_type_and_never_by_value() {
        for (json, told) in [
            (
                r#"{"user":[{"age":"a secret, expected secret","kind":"robot"}]}"#,
                "at user[0].age: invalid type, expected u32 at line 1 column 43",
            ),
            (
                r#"{"user":[{"age":-99,"kind":"robot"}]}"#,
                "at user[0].age: invalid value, expected u32 at line 1 column",
            ),
            (
                r#"{"user":[{"age":1,"kind":"secret"}]}"#,
                "at user[0].kind: unknown variant, expected `person` or `robot`",
            ),
            (
                r#"{"user":[{"age":1,"kind":"robot","at":{"the secret":999}}]}"#,
                "at user[0].at.*: invalid value, expected u8",
            ),
            (r#"{"user":[{"age":1}]}"#, "at user[0]: missing field `kind`"),
            (r#"["secret"]"#, "at [0]: invalid type, expected a sequence"),
            (r#""secret""#, "as a whole: invalid type, expected struct Outer"),
            (r#"{"user":["secret]}"#, "EOF while parsing a string at line 1 column 18"),
        ] {
            let said = decode::<Outer>(json.as_bytes()).unwrap_err();
            assert!(said.starts_with(told), "{said}");
            assert!(!said.contains("secret") && !said.contains("99"), "{said}");
        }
        for json in [r#"{"a":"the secret"}"#, r#"{"secret":1}"#] {
            let said = decode::<Strict>(json.as_bytes()).unwrap_err();
            assert!(!said.contains("the secret") && !said.contains("`secret`"), "{said}");
        }
        let said = decode::<Strict>(br#"{"a":"the secret"}"#).unwrap_err();
        assert_eq!(said, "at a: its type does not accept the value there");
    }

    #[derive(Serialize)]
    struct Numbers {
        name: &'static str,
        all: Vec<Option<f64>>,
        #[serde(flatten)]
        inner: Inner,
    }

    #[derive(Serialize)]
    struct Inner {
        share: f32,
        by: BTreeMap<u8, f64>,
    }

    fn numbers() -> Numbers {
        let by = BTreeMap::from([(7, 0.5)]);
        Numbers { name: "x", all: vec![Some(1.5), None], inner: Inner { share: 0.25, by } }
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_by_its_field() {
        let good = encode(&numbers()).unwrap();
        assert_eq!(good.json, br#"{"name":"x","all":[1.5,null],"share":0.25,"by":{"7":0.5}}"#);
        assert!(!good.is_wide);
        let mut in_list = numbers();
        in_list.all.push(Some(f64::NAN));
        let mut flat = numbers();
        flat.inner.share = f32::INFINITY;
        let mut in_map = numbers();
        in_map.inner.by.insert(9, f64::NEG_INFINITY);
        for (value, place) in [(in_list, "all[2]"), (flat, "share"), (in_map, "by.9")] {
            let told = encode(&value).err().unwrap();
            assert_eq!(told, format!("{place} is NaN or infinite, which JSON cannot express"));
        }
        assert!(encode(&f64::NAN).err().unwrap().starts_with("it is NaN"));
    }

    #[test]
    fn what_is_nested_deeper_than_readers_go_is_refused() {
        #[derive(Serialize, Deserialize)]
        enum Chain {
            End,
            Link(Box<Chain>),
            Pair { next: Box<Chain> },
        }

        let nested = |depth: usize| (0..depth).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
        let most = encode(&nested(127)).unwrap().json;
        assert!(decode::<serde_json::Value>(&most).is_ok());
        let told = encode(&nested(128)).err().unwrap();
        assert!(told.ends_with("is nested deeper than 127 levels, more than a worker reads"), "{told}");

        let chain = |depth: usize, last: fn(Box<Chain>) -> Chain| {
            last(Box::new((0..depth).fold(Chain::End, |inner, _| Chain::Link(Box::new(inner)))))
        };
        for (depth, last) in [(126, Chain::Link as fn(_) -> _), (125, |next| Chain::Pair { next })] {
            assert!(decode::<Chain>(&encode(&chain(depth, last)).unwrap().json).is_ok());
            assert!(encode(&chain(depth + 1, last)).is_err());
        }
    }

    #[test]
    fn wide_numbers_are_noted() {
        assert!(encode(&u128::MAX).unwrap().is_wide);
        assert!(encode(&vec![Some(i128::MIN)]).unwrap().is_wide);
        assert_eq!(encode(&u128::MAX).unwrap().json, u128::MAX.to_string().as_bytes());
    }

    #[test]
    fn what_only_serde_json_knows_passes() {
        let raw = serde_json::value::to_raw_value(&[1]).unwrap();
        assert_eq!(
            encode(&(raw, "é", 'c', (), Some(true), [0_u8; 2])).unwrap().json,
            "[[1],\"é\",\"c\",null,true,[0,0]]".as_bytes()
        );
        assert!(encode(&BTreeMap::from([(vec![1], 1)])).err().unwrap().contains("key must be a string"));
    }
}
