//! Data to stdout, remarks to stderr. The store's contents come from elsewhere: everything printed
//! for people is escaped here, and stays on its line.

use std::io::{self, Write as _};

use docket_core::shown::{escaped, escaped_json};
use serde::Serialize;

/// One line of data.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", escaped(text))
}

/// Text that contains its own line ends.
pub(crate) fn text(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

/// One JSON value.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    writeln!(io::stdout().lock(), "{}", escaped_json(&json))
}

/// A remark for the person at the terminal, not part of the data.
#[expect(clippy::print_stderr, reason = "the one place for remarks")]
pub(crate) fn remark(text: &str) {
    eprintln!("docket: {}", escaped(text));
}

/// Rows under a heading, in columns as wide as needed, without trailing spaces.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| escaped(cell).into_owned())).collect();
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = io::stdout().lock();
    let heading = heading.map(str::to_owned);
    for row in std::iter::once(&heading).chain(&rows) {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
