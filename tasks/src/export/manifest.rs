//! The contents of an archive and its missing tracks, for the person who opens it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// A track that is not in the archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// The track.
    pub track_id: i64,
    /// Its title.
    pub title: String,
    /// Why it is not there.
    pub reason: String,
}

/// The account of one export, kept while it runs: one line per track.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    entries: Vec<Entry>,
    missing: Vec<Missing>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    title: String,
    bytes: u64,
}

impl Manifest {
    /// The entry that holds it.
    pub(crate) const NAME: &str = "MANIFEST.txt";

    pub(crate) fn added(&mut self, name: &str, title: &str, bytes: u64) {
        self.entries.push(Entry { name: name.to_owned(), title: title.to_owned(), bytes });
    }

    pub(crate) fn missing(&mut self, missing: Missing) {
        self.missing.push(missing);
    }

    pub(crate) fn added_count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn into_missing(self) -> Vec<Missing> {
        self.missing
    }

    /// Every track that is missing and why, for an export that has nothing else to say.
    pub(crate) fn reasons(&self) -> String {
        let reasons: Vec<String> = self.missing.iter().map(|m| format!("{}: {}", m.title, m.reason)).collect();
        reasons.join("; ")
    }
}

impl std::fmt::Display for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.entries.len() + self.missing.len();
        writeln!(f, "plyr.fm export: {} of {total} tracks\n", self.entries.len())?;
        for Entry { name, title, bytes } in &self.entries {
            writeln!(f, "{name}\t{bytes} bytes\t{}", one_line(title))?;
        }
        if !self.missing.is_empty() {
            writeln!(f, "\nNot in this archive:\n")?;
        }
        for Missing { track_id, title, reason } in &self.missing {
            writeln!(f, "{}\ttrack {track_id}\t{reason}", one_line(title))?;
        }
        Ok(())
    }
}

/// A title cannot forge a line of the manifest.
fn one_line(title: &str) -> String {
    let mut line = String::with_capacity(title.len());
    for c in title.chars() {
        if c.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lists_what_is_there_and_what_is_not_with_the_reason() {
        let mut manifest = Manifest::default();
        manifest.added("Song.mp3", "Song", 12);
        let reason = "its audio is not in storage".to_owned();
        manifest.missing(Missing { track_id: 7, title: "Lost\nSong.mp3\t1 bytes".to_owned(), reason });
        assert_eq!(
            manifest.to_string(),
            "plyr.fm export: 1 of 2 tracks\n\nSong.mp3\t12 bytes\tSong\n\nNot in this archive:\n\n\
             Lost\\nSong.mp3\\t1 bytes\ttrack 7\tits audio is not in storage\n"
        );
    }
}
