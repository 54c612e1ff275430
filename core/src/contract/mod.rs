//! What a store implements, and the data that its calls carry. Nothing here knows a client, a worker or a handler.

mod backend;
mod control;
mod definition;
mod error;
mod ids;
mod inspect;
pub mod json;
pub mod limits;
mod relocate;
pub mod shown;
mod store_url;
mod task;
#[cfg(feature = "testing")]
mod testing;
mod time;
mod url_source;
pub mod words;

pub use backend::*;
pub use control::*;
pub use definition::*;
pub use error::*;
pub use ids::*;
pub use inspect::*;
pub use relocate::*;
pub use store_url::*;
pub use task::*;
#[cfg(feature = "testing")]
pub use testing::*;
pub use time::*;
pub use url_source::UrlSource;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it is read").path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    /// Whoever writes a store needs this folder alone.
    #[test]
    fn the_contract_imports_from_nowhere_else() {
        let all = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract"));
        assert!(all.len() > 10, "the files are still found: {all:?}");
        // This file has the words below.
        for path in all.into_iter().filter(|path| !path.ends_with("contract/mod.rs")) {
            let text = std::fs::read_to_string(&path).expect("a file of the contract is read");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code.filter(|line| line.contains("crate::")) {
                let inside = line.matches("crate::").count() == line.matches("crate::contract::").count();
                assert!(inside, "{} imports from outside of the contract: {line}", path.display());
            }
        }
    }
}
