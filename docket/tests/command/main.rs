//! The built command against a real Redis: every verb, its exit codes and its JSON.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/said.rs"]
mod said;

mod operator;
mod refusals;
mod shell;
mod shown;
mod tasks;
mod worker;
