//! The source of a store's URL: a text, or a file that is read again for each connection.

use std::fmt;
use std::path::PathBuf;

use crate::contract::{Error, Result};

/// A store's URL, or the file that holds it.
///
/// A backend with a file reads it at each reconnect, so that a running process can get a new
/// password: change it on the server, write the file, and the next connection uses it.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlSource {
    /// The URL itself.
    Text(String),
    /// A file that holds it, with or without a trailing newline.
    File(PathBuf),
}

impl UrlSource {
    /// The current URL.
    ///
    /// # Errors
    ///
    /// `Config` for a file that cannot be read or is empty. No error shows the contents.
    pub fn read(&self) -> Result<String> {
        let file = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(file) => file,
        };
        let operation = format!("read the store URL from {}", file.display());
        match std::fs::read_to_string(file) {
            Ok(text) if text.trim().is_empty() => Err(Error::config(operation, "the file is empty")),
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(Error::config(operation, error.to_string())),
        }
    }

    /// Whether it may change while the process runs.
    pub fn may_change(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl From<&str> for UrlSource {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for UrlSource {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for UrlSource {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl fmt::Debug for UrlSource {
    /// Without the URL, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(***)"),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_each_time_and_its_errors_show_its_name_alone() {
        let path = std::env::temp_dir().join(format!("docket-url-{}", std::process::id()));
        let url = UrlSource::File(path.clone());
        for text in ["redis://joe:one@host\n", "redis://joe:two@host"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(url.read().unwrap(), text.trim());
        }
        std::fs::write(&path, " \n").unwrap();
        let empty = url.read().unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        let gone = url.read().unwrap_err().to_string();
        for error in [empty, gone] {
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
        assert!(!format!("{:?}", UrlSource::from("redis://joe:secret@host")).contains("secret"));
    }
}
