//! The texts of notices about a flag.

use std::fmt::Write as _;

use crate::{Match, Notifier, Scan, Track};

/// Characters of a title or a name that are shown: the whole stays below the thousand that a message may have.
const SHOWN_MAX: usize = 120;

/// The direct message to the admin. Each flag has a text of its own: the last line names its audio.
pub(super) fn text(notifier: &Notifier, track: &Track, scan: &Scan) -> String {
    let (title, handle) = (shown(&track.title), shown(&track.artist_handle));
    let mut text = format!("{}: copyright flag on \"{title}\" by @{handle}\n{}", notifier.app_name, notes(scan));
    if let Some(frontend_url) = &notifier.frontend_url {
        let _ = write!(text, "\n{}/track/{}", frontend_url.trim_end_matches('/'), track.id);
    }
    let _ = write!(text, "\ntrack {}, audio {}", scan.track_id, scan.file_id);
    text
}

/// The recognised recordings.
pub(super) fn notes(scan: &Scan) -> String {
    let count = scan.matches.len();
    match scan.matches.first() {
        None => "nothing in particular was recognised".to_owned(),
        Some(Match { artist, title, .. }) => {
            let matches = if count == 1 { "match" } else { "matches" };
            format!("{count} {matches}, the first \"{}\" by {}", shown(title), shown(artist))
        }
    }
}

/// On one line, and not too long.
fn shown(text: &str) -> String {
    let line = || text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= SHOWN_MAX {
        line().collect()
    } else {
        line().take(SHOWN_MAX - 1).chain(['…']).collect()
    }
}
