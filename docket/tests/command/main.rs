//! The built command against a real Redis: every verb, its exit codes and its JSON.

#[path = "../common/mod.rs"]
mod common;

mod operator;
mod refusals;
mod shell;
mod tasks;
mod worker;
