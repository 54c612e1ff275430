//! A script's answer as values, read in order. Nothing here trusts the input.

use std::time::Duration;
use std::vec::IntoIter;

use docket_core::{Error, ErrorKind, Payload, Result, TaskKey, Timestamp};
use redis::Value;
use uuid::Uuid;

use crate::keys;

/// The values of one answer, read in order.
#[derive(Debug)]
pub(crate) struct Fields {
    values: IntoIter<Value>,
    operation: &'static str,
}

impl Fields {
    pub(crate) fn of(value: Value, operation: &'static str) -> Result<Self> {
        match value {
            Value::Array(values) => Ok(Self { values: values.into_iter(), operation }),
            other => Err(unexpected(operation, "a list", &other)),
        }
    }

    /// An answer that is one value.
    pub(crate) fn one(value: Value, operation: &'static str) -> Self {
        Self { values: vec![value].into_iter(), operation }
    }

    /// The answer to an empty call.
    pub(crate) fn empty(operation: &'static str) -> Self {
        Self { values: Vec::new().into_iter(), operation }
    }

    /// The words of a text, separated by spaces.
    pub(crate) fn words(value: Value, operation: &'static str) -> Result<Self> {
        let text = word(value, operation)?;
        let words: Vec<_> = text.split_ascii_whitespace().map(|word| Value::SimpleString(word.to_owned())).collect();
        Ok(Self { values: words.into_iter(), operation })
    }

    /// The words of the next value.
    pub(crate) fn next_words(&mut self) -> Result<Self> {
        Self::words(self.next()?, self.operation)
    }

    fn next(&mut self) -> Result<Value> {
        self.values
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Internal, self.operation, "the script returned too few values"))
    }

    pub(crate) fn list(&mut self) -> Result<Self> {
        Self::of(self.next()?, self.operation)
    }

    /// A list, each item read by `read`.
    pub(crate) fn each<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut list = self.list()?;
        let mut items = Vec::with_capacity(list.values.len());
        while !list.is_empty() {
            items.push(read(&mut list)?);
        }
        Ok(items)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.len() == 0
    }

    pub(crate) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>> {
        match self.next()? {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes)),
            Value::SimpleString(text) => Ok(Some(text.into_bytes())),
            other => Err(unexpected(self.operation, "a text", &other)),
        }
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>> {
        let text = self.optional_bytes()?.map(String::from_utf8).transpose();
        text.map_err(|_| Error::new(ErrorKind::Corrupt, self.operation, "the store holds a text that is not UTF-8"))
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        let operation = self.operation;
        self.optional_text()?.ok_or_else(|| unexpected(operation, "a text", &Value::Nil))
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>> {
        let operation = self.operation;
        self.optional_bytes()?.ok_or_else(|| unexpected(operation, "a text", &Value::Nil))
    }

    pub(crate) fn key(&mut self) -> Result<TaskKey> {
        keys::unpack(self.bytes()?).map_err(|error| self.corrupt(error))
    }

    /// The id of a call.
    pub(crate) fn id(&mut self) -> Result<Uuid> {
        Uuid::from_slice(&self.bytes()?).map_err(|error| self.corrupt(error))
    }

    /// A text as an identity, which checks itself.
    pub(crate) fn parsed<T: TryFrom<String, Error = Error>>(&mut self) -> Result<T> {
        T::try_from(self.text()?).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn payload(&mut self) -> Result<Payload> {
        self.bytes().map(Payload::new)
    }

    pub(crate) fn optional_payload(&mut self) -> Result<Option<Payload>> {
        Ok(self.optional_bytes()?.map(Payload::new))
    }

    pub(crate) fn optional_number(&mut self) -> Result<Option<i64>> {
        match self.next()? {
            Value::Nil => Ok(None),
            Value::Int(number) => Ok(Some(number)),
            other => Err(unexpected(self.operation, "a number", &other)),
        }
    }

    pub(crate) fn number(&mut self) -> Result<i64> {
        let operation = self.operation;
        self.optional_number()?.ok_or_else(|| unexpected(operation, "a number", &Value::Nil))
    }

    /// A number in the type that the caller wants.
    pub(crate) fn count<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| self.corrupt(format!("{number} is out of bounds")))
    }

    pub(crate) fn optional_count<T: TryFrom<i64>>(&mut self) -> Result<Option<T>> {
        let Some(number) = self.optional_number()? else { return Ok(None) };
        T::try_from(number).map(Some).map_err(|_| self.corrupt(format!("{number} is out of bounds")))
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        Ok(self.number()? != 0)
    }

    pub(crate) fn timestamp(&mut self) -> Result<Timestamp> {
        self.number().map(Timestamp::from_micros)
    }

    pub(crate) fn optional_micros(&mut self) -> Result<Option<Duration>> {
        Ok(self.optional_count()?.map(Duration::from_micros))
    }

    /// The store holds a value that no backend of this build would have written.
    fn corrupt(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::new(ErrorKind::Corrupt, self.operation, "the store holds a value that cannot be used").with_source(cause)
    }
}

/// An answer that is one text.
pub(crate) fn word(value: Value, operation: &'static str) -> Result<String> {
    Fields::one(value, operation).text()
}

fn unexpected(operation: &'static str, wanted: &str, found: &Value) -> Error {
    // Never the value itself: it may be a payload.
    let found = match found {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a text",
        Value::Array(_) => "a list",
        _ => "something else",
    };
    Error::new(ErrorKind::Internal, operation, format!("the script returned {found} instead of {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(values: Vec<Value>) -> Fields {
        Fields::of(Value::Array(values), "read").unwrap()
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn values_are_read_in_order() {
        let mut read = fields(vec![bulk("a"), Value::Int(7), Value::Nil, Value::Array(vec![bulk("x"), bulk("y")])]);
        assert_eq!(read.parsed::<TaskKey>().unwrap().as_str(), "a");
        assert_eq!(read.count::<u32>().unwrap(), 7);
        assert_eq!(read.optional_number().unwrap(), None);
        assert_eq!(read.each(Fields::text).unwrap(), ["x", "y"]);
        assert!(read.is_empty());
    }

    #[test]
    fn what_has_another_shape_is_an_error_and_never_a_panic() {
        for (values, read) in [
            (vec![], Fields::text as fn(&mut Fields) -> Result<String>),
            (vec![Value::Nil], Fields::text),
            (vec![Value::Int(1)], Fields::text),
            (vec![Value::BulkString(vec![0xff])], Fields::text),
            (vec![bulk("a")], |fields| fields.number().map(|n| n.to_string())),
            (vec![Value::Int(-1)], |fields| fields.count::<u32>().map(|n| n.to_string())),
            (vec![bulk("a\nb")], |fields| fields.parsed::<TaskKey>().map(String::from)),
            (vec![bulk("a")], |fields| fields.list().map(|_| String::new())),
        ] {
            let shown = format!("{values:?}");
            let error = read(&mut fields(values)).expect_err(&shown);
            assert!(matches!(error.kind(), ErrorKind::Internal | ErrorKind::Corrupt), "{shown}: {error:?}");
        }
    }

    #[test]
    fn an_error_does_not_show_what_the_store_holds() {
        let error = fields(vec![bulk("secret")]).number().unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
