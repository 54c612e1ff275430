//! Taking back a flag on an artist's own recording.

use crate::{Match, Track};

/// Shorter names are contained in others by accident.
const NAME_CHARS_MIN: usize = 4;

/// The recognised artist, if it is the uploader: the artist named most often (the first of equals), reduced to
/// lower-case letters and digits, contains the handle or the display name reduced alike, or is contained in it.
pub(crate) fn self_match(matches: &[Match], track: &Track) -> Option<String> {
    let dominant = dominant_artist(matches)?;
    let recognised = reduce(dominant);
    let own = [&track.artist_handle, &track.artist_name].map(|name| reduce(name));
    own.iter().any(|own| same_name(own, &recognised)).then(|| dominant.to_owned())
}

fn dominant_artist(matches: &[Match]) -> Option<&str> {
    let artists = || matches.iter().map(|found| found.artist.trim()).filter(|artist| !artist.is_empty());
    let times = |artist: &str| artists().filter(|other| *other == artist).count();
    // `max_by_key` gives the last of equals; from the back that is the first.
    artists().rev().max_by_key(|artist| times(artist))
}

fn reduce(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn same_name(a: &str, b: &str) -> bool {
    let long = |name: &str| name.chars().count() >= NAME_CHARS_MIN;
    long(a) && long(b) && (a.contains(b) || b.contains(a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::track;

    fn found(artists: &[&str]) -> Vec<Match> {
        artists.iter().map(|artist| Match { artist: (*artist).to_owned(), ..Match::default() }).collect()
    }

    fn judged(artists: &[&str], handle: &str, name: &str) -> Option<String> {
        let uploader = Track { artist_handle: handle.to_owned(), artist_name: name.to_owned(), ..track(1) };
        self_match(&found(artists), &uploader)
    }

    #[test]
    fn the_uploader_is_recognised_by_handle_or_display_name() {
        assert_eq!(judged(&["Ada and The Engines"], "ada-the-engines.bsky.social", "x"), None);
        assert_eq!(judged(&["Ada & The Engines"], "ada-the-engines.bsky.social", "x").unwrap(), "Ada & The Engines");
        assert_eq!(judged(&["LOVELACE"], "x.y", "Ada Lovelace").unwrap(), "LOVELACE");
    }

    #[test]
    fn the_artist_named_most_often_counts_and_the_first_of_equals() {
        assert_eq!(judged(&["Ada Lovelace", "Others", "Others"], "x.y", "Ada Lovelace"), None);
        assert!(judged(&["Ada Lovelace", "Others", "", "", ""], "x.y", "Ada Lovelace").is_some());
        assert_eq!(judged(&["Others", "Ada Lovelace"], "x.y", "Ada Lovelace"), None);
    }

    #[test]
    fn a_short_name_never_matches() {
        assert_eq!(judged(&["Ada"], "ada.bsky.social", "Ada"), None);
        assert_eq!(judged(&[], "ada.bsky.social", "Ada"), None);
    }
}
