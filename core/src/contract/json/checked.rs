//! A serializer that wraps another one. It costs a comparison per number and a count per level, and
//! reads nothing twice.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use serde::ser::{self, Serialize, Serializer};

/// The deepest level that a reader of JSON accepts: the limit of `serde_json`.
const DEPTH_MAX: u32 = 127;
const NOT_FINITE: &str = "is NaN or infinite, which JSON cannot express";
const TOO_DEEP: &str = "is nested deeper than 127 levels, more than a worker reads";

/// Findings along the way.
#[derive(Default)]
pub(super) struct Notes {
    depth: Cell<u32>,
    is_wide: Cell<bool>,
    why: Cell<Option<&'static str>>,
    /// Where that is, innermost first; written only on the way back from a refusal.
    path: RefCell<Vec<String>>,
}

impl Notes {
    pub(super) fn is_wide(&self) -> bool {
        self.is_wide.get()
    }

    /// The refusal and its place, if any.
    pub(super) fn told(&self) -> Option<String> {
        let why = self.why.get()?;
        let path: String = self.path.borrow().iter().rev().map(String::as_str).collect();
        let path = path.trim_start_matches('.');
        Some(format!("{} {why}", if path.is_empty() { "it" } else { path }))
    }

    fn refuse<E: ser::Error>(&self, why: &'static str) -> E {
        self.why.set(Some(why));
        E::custom(why)
    }

    fn down<E: ser::Error>(&self, levels: u32) -> Result<(), E> {
        self.depth.set(self.depth.get() + levels);
        if self.depth.get() > DEPTH_MAX { Err(self.refuse(TOO_DEEP)) } else { Ok(()) }
    }

    fn up(&self, levels: u32) {
        self.depth.set(self.depth.get() - levels);
    }

    /// Adds `step` to the path if `result` is a refusal.
    fn at<T, E>(&self, result: Result<T, E>, step: impl FnOnce() -> String) -> Result<T, E> {
        if result.is_err() && self.why.get().is_some() {
            self.path.borrow_mut().push(step());
        }
        result
    }
}

/// Forwards to `inner`.
pub(super) struct Checked<'a, S> {
    inner: S,
    notes: &'a Notes,
}

impl<'a, S> Checked<'a, S> {
    pub(super) fn new(inner: S, notes: &'a Notes) -> Self {
        Self { inner, notes }
    }
}

/// A value inside another one.
struct Value<'a, T: ?Sized> {
    value: &'a T,
    notes: &'a Notes,
}

impl<T: Serialize + ?Sized> Serialize for Value<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked::new(serializer, self.notes))
    }
}

/// The parts of a value, some levels down.
pub(super) struct Parts<'a, C> {
    inner: C,
    notes: &'a Notes,
    levels: u32,
    index: usize,
}

impl<'a, S: Serializer> Checked<'a, S> {
    fn parts<C>(self, levels: u32, begin: impl FnOnce(S) -> Result<C, S::Error>) -> Result<Parts<'a, C>, S::Error> {
        self.notes.down(levels)?;
        Ok(Parts { inner: begin(self.inner)?, notes: self.notes, levels, index: 0 })
    }
}

impl<'a, C> Parts<'a, C> {
    fn value<'b, T: ?Sized>(&self, value: &'b T) -> Value<'b, T>
    where
        'a: 'b,
    {
        Value { value, notes: self.notes }
    }

    /// An element of a list.
    fn element<E>(&mut self, write: impl FnOnce(&mut C) -> Result<(), E>) -> Result<(), E> {
        let result = write(&mut self.inner);
        self.index += 1;
        self.notes.at(result, || format!("[{}]", self.index - 1))
    }

    fn end<T>(self, end: impl FnOnce(C) -> T) -> T {
        self.notes.up(self.levels);
        end(self.inner)
    }
}

/// Methods that only forward.
macro_rules! pass_on {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {
        $(fn $method(self, $($arg: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($arg),*)
        })*
    };
}

impl<'a, S: Serializer> Serializer for Checked<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'a, S::SerializeSeq>;
    type SerializeTuple = Parts<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'a, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'a, S::SerializeMap>;
    type SerializeStruct = Parts<'a, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'a, S::SerializeStructVariant>;

    pass_on! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i16(v: i16);
        serialize_i32(v: i32);
        serialize_i64(v: i64);
        serialize_u8(v: u8);
        serialize_u16(v: u16);
        serialize_u32(v: u32);
        serialize_u64(v: u64);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_bytes(v: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_i128(self, v: i128) -> Result<S::Ok, S::Error> {
        self.notes.is_wide.set(true);
        self.inner.serialize_i128(v)
    }

    fn serialize_u128(self, v: u128) -> Result<S::Ok, S::Error> {
        self.notes.is_wide.set(true);
        self.inner.serialize_u128(v)
    }

    fn serialize_f32(self, v: f32) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f32(v) } else { Err(self.notes.refuse(NOT_FINITE)) }
    }

    fn serialize_f64(self, v: f64) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f64(v) } else { Err(self.notes.refuse(NOT_FINITE)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Value { value, notes: self.notes })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Value { value, notes: self.notes })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let notes = self.notes;
        notes.down(1)?;
        let result = self.inner.serialize_newtype_variant(name, index, variant, &Value { value, notes });
        notes.up(1);
        notes.at(result, || format!(".{variant}"))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.parts(1, |inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.parts(1, |inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.parts(1, |inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.parts(2, |inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.parts(1, |inner| inner.serialize_map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.parts(1, |inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.parts(2, |inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The traits of lists: all the same except for a name.
macro_rules! lists {
    ($($trait:ident::$method:ident;)*) => {
        $(impl<C: ser::$trait> ser::$trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let value = self.value(value);
                self.element(|inner| inner.$method(&value))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.end(C::end)
            }
        })*
    };
}

lists! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// The traits of structs.
macro_rules! structs {
    ($($trait:ident)*) => {
        $(impl<C: ser::$trait> ser::$trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), C::Error> {
                let value = self.value(value);
                let result = self.inner.serialize_field(key, &value);
                self.notes.at(result, || format!(".{key}"))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.end(C::end)
            }
        })*
    };
}

structs! { SerializeStruct SerializeStructVariant }

impl<C: ser::SerializeMap> ser::SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.value(value);
        let result = self.inner.serialize_value(&value);
        self.notes.at(result, || ".*".to_owned())
    }

    fn serialize_entry<K: Serialize + ?Sized, T: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &T,
    ) -> Result<(), C::Error> {
        let value = self.value(value);
        let result = self.inner.serialize_entry(key, &value);
        self.notes.at(result, || format!(".{}", serde_json::to_string(key).unwrap_or_default().trim_matches('"')))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.end(C::end)
    }
}
