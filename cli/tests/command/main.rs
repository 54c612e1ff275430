//! The built command against a real Redis: every verb, its exit codes and its JSON.

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
