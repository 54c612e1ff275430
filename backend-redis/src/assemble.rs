//! Assembles a script: its own text, and the shared parts it needs.
//!
//! The server runs the whole text of a script at each call, and creates each of its functions anew:
//! an unused function costs as much as a used one.

use std::collections::BTreeSet;

use crate::numbers::with_numbers;

/// The shared parts; each part may use those before it.
const PARTS: [&str; 18] = [
    include_str!("../scripts/prelude.lua"),
    include_str!("../scripts/wakes.lua"),
    include_str!("../scripts/record.lua"),
    include_str!("../scripts/index.lua"),
    include_str!("../scripts/held.lua"),
    include_str!("../scripts/flush.lua"),
    include_str!("../scripts/plain.lua"),
    include_str!("../scripts/worker.lua"),
    include_str!("../scripts/waiters.lua"),
    include_str!("../scripts/life.lua"),
    include_str!("../scripts/declare.lua"),
    include_str!("../scripts/trim.lua"),
    include_str!("../scripts/request.lua"),
    include_str!("../scripts/remembered.lua"),
    include_str!("../scripts/earliest.lua"),
    include_str!("../scripts/take.lua"),
    include_str!("../scripts/settle.lua"),
    include_str!("../scripts/show.lua"),
];

/// How many parts precede those that read records.
const BEFORE_RECORDS: usize = 2;

/// Links `main` with its transitive dependencies. If `first` returns, record parsing is never
/// defined.
pub(crate) fn assemble(first: &str, main: &str) -> String {
    let mut wanted = words(main);
    wanted.extend(words(first));
    let mut text = main.to_owned();
    for (place, part) in PARTS.iter().enumerate().rev() {
        if place + 1 == BEFORE_RECORDS {
            text = format!("{first}{text}");
        }
        let mut kept = Vec::new();
        for piece in pieces(part).into_iter().rev() {
            if declared(piece).any(|name| wanted.contains(name)) {
                wanted.extend(words(piece));
                kept.push(piece);
            }
        }
        if !kept.is_empty() {
            // Each part wraps the later ones in a function: Lua finds an outer name at once, but
            // searches the names of the function itself one by one, for each function that it
            // creates.
            text = format!("{}return (function()\n{text}end)()\n", kept.into_iter().rev().collect::<String>());
        }
    }
    with_numbers(&text)
}

/// A part, cut before each of its declarations.
fn pieces(part: &str) -> Vec<&str> {
    let mut cuts: Vec<usize> = part.match_indices("\nlocal ").map(|(at, _)| at + 1).collect();
    cuts.insert(0, 0);
    cuts.push(part.len());
    cuts.windows(2).map(|cut| &part[cut[0]..cut[1]]).collect()
}

/// The names that a piece declares.
fn declared(piece: &str) -> impl Iterator<Item = &str> {
    let names = piece.strip_prefix("local ").unwrap_or_default();
    let names = match names.strip_prefix("function ") {
        Some(function) => function.split('(').next(),
        None => names.split(['=', '-', '\n']).next(),
    };
    names.unwrap_or_default().split(',').map(str::trim)
}

/// The names in a text, without its comments and quoted texts.
fn words(text: &str) -> BTreeSet<&str> {
    let code = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let unquoted = code.flat_map(|line| line.split('\'').step_by(2));
    unquoted.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_at_its_declarations() {
        let part = "-- A part.\n\nlocal a, b = 1, 2\nlocal d -- d\n-- On c.\nlocal function c(x)\n  local y = a\nend\n";
        let found = pieces(part);
        assert_eq!(found.concat(), part);
        let names: Vec<Vec<&str>> = found.iter().map(|piece| declared(piece).collect()).collect();
        assert_eq!(names, [vec![""], vec!["a", "b"], vec!["d"], vec!["c"]]);
    }

    #[test]
    fn what_is_quoted_or_a_comment_names_nothing() {
        assert_eq!(words("f(x, 'y') -- z"), BTreeSet::from(["", "f", "x"]));
    }

    #[test]
    fn a_script_has_what_it_needs_and_no_more() {
        let script = assemble("", "return { now, number() }\n");
        let functions = ["server_time", "clock", "arg", "number"].map(|name| format!("local function {name}("));
        assert!(functions.iter().all(|function| script.contains(function.as_str())), "{script}");
        assert_eq!(script.matches("local function ").count(), functions.len(), "{script}");
    }
}
