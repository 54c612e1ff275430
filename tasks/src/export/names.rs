//! Names of entries in an archive: safe on every file system, and no two alike on any.

use std::collections::HashSet;

/// Bytes of a name without its extension and its number. File systems stop at 255.
const STEM_BYTES_MAX: usize = 200;

/// Device names that Windows refuses, with any extension.
const RESERVED: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9", "LPT1", "LPT2",
    "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// Hands out entry names, each once, also where case does not count.
#[derive(Debug)]
pub(crate) struct EntryNames {
    taken: HashSet<String>,
}

impl EntryNames {
    /// All names are free but these.
    pub(crate) fn without(reserved: &[&str]) -> Self {
        Self { taken: reserved.iter().map(|name| fold(name)).collect() }
    }

    /// `{title}.{extension}`, sanitised; the title gets ` (1)`, ` (2)`, … while that name is taken.
    pub(crate) fn take(&mut self, title: &str, extension: &str) -> String {
        let stem = sanitise(title);
        let mut name = format!("{stem}.{extension}");
        let mut number = 0_u32;
        while !self.taken.insert(fold(&name)) {
            number += 1;
            name = format!("{stem} ({number}).{extension}");
        }
        name
    }
}

/// Keeps letters and digits of every script, space and `. - _ ( )`; never empty, hidden, reserved or too long.
fn sanitise(title: &str) -> String {
    let allowed = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '(' | ')');
    let kept: String = title.chars().filter(allowed).collect();
    let kept = kept.trim_matches([' ', '.']);
    let stem = kept[..kept.floor_char_boundary(STEM_BYTES_MAX)].trim_end_matches([' ', '.']);
    let device = stem.split('.').next().unwrap_or_default().trim_end();
    if stem.is_empty() {
        "untitled".to_owned()
    } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(device)) {
        format!("_{stem}")
    } else {
        stem.to_owned()
    }
}

/// Equal for names that some file system takes for one. By character, so that no neighbour changes the result.
fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(titles: &[&str]) -> Vec<String> {
        let mut names = EntryNames::without(&["MANIFEST.txt"]);
        titles.iter().map(|title| names.take(title, "mp3")).collect()
    }

    #[test]
    fn titles_that_differ_only_before_sanitising_or_in_case_do_not_collide() {
        assert_eq!(names(&["A/B", "AB", "ab", "AB (1)"]), ["AB.mp3", "AB (1).mp3", "ab (2).mp3", "AB (1) (1).mp3"]);
        assert_eq!(names(&["straße", "STRASSE"]), ["straße.mp3", "STRASSE (1).mp3"]);
    }

    #[test]
    fn a_name_cannot_leave_the_folder_or_hide() {
        assert_eq!(
            names(&["../../etc/passwd", ".hidden", "C:\\x", "a\0b\n"]),
            ["etcpasswd.mp3", "hidden.mp3", "Cx.mp3", "ab.mp3"]
        );
    }

    #[test]
    fn every_script_is_kept() {
        assert_eq!(names(&["naïve ☃ 雪", "Ωμέγα-1_(live)"]), ["naïve  雪.mp3", "Ωμέγα-1_(live).mp3"]);
    }

    #[test]
    fn nothing_left_is_untitled_and_device_names_are_disarmed() {
        assert_eq!(names(&["???", "", "con", "nul.x"]), ["untitled.mp3", "untitled (1).mp3", "_con.mp3", "_nul.x.mp3"]);
    }

    #[test]
    fn a_long_title_is_cut_at_a_character() {
        let name = &names(&[&"ü".repeat(500)])[0];
        assert!(name.len() <= STEM_BYTES_MAX + ".mp3".len() && name.starts_with('ü'), "{name}");
    }

    #[test]
    fn the_manifest_keeps_its_name() {
        assert_eq!(EntryNames::without(&["MANIFEST.txt"]).take("manifest", "txt"), "manifest (1).txt");
    }
}
