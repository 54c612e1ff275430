//! The README shows a harness that is run.

use std::fs;

#[test]
fn the_readme_shows_the_harness_of_the_store_from_outside() {
    let file = |name: &str| fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).expect("it is there");
    let (readme, harness) = (file("README.md"), file("tests/outside/main.rs"));
    let shown = readme.split("```rust,ignore\n").nth(1).and_then(|rest| rest.split("```").next());
    let shown = shown.expect("the README shows a harness");
    assert!(harness.ends_with(shown), "it shows something else than tests/outside/main.rs:\n{shown}");
}
