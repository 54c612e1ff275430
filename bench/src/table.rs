//! The table on stdout.

use crate::report::{Faults, Report, Row, Side, Tally, median};

pub(crate) fn surroundings(report: &Report) {
    for (name, value) in &report.surroundings {
        println!("{name:>9}  {value}");
    }
}

/// The rows of one workload, and its lost or repeated tasks.
pub(crate) fn rows(report: &Report, workload: &str) {
    println!("{:9} {:56} {:>30} {:>30} {:>6}  unit", "store", "figure", "docket", "floor", "ratio");
    for row in report.rows.iter().filter(|row| row.workload == workload) {
        println!("{}", line(row));
    }
    for tally in report.tallies.iter().filter(|tally| tally.workload == workload) {
        println!("{}", faults(tally));
    }
}

fn line(row: &Row) -> String {
    let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let store = row.store.to_string();
    format!(
        "{store:9} {:56} {:>30} {:>30} {ratio:>6}  {}",
        row.figure,
        spread(&row.docket),
        spread(&row.floor),
        row.unit
    )
}

/// The faults of both sides, in words that a reader may search for.
pub(crate) fn faults(tally: &Tally) -> String {
    let of = |side: Side, faults: Faults| format!("{side:?} lost {} duplicates {}", faults.lost, faults.duplicates);
    let store = tally.store.to_string();
    format!("{store:9} {}; {}", of(Side::Docket, tally.docket), of(Side::Floor, tally.floor))
}

/// The median, with the least and the most where there are several.
pub(crate) fn spread(values: &[f64]) -> String {
    let Some(middle) = median(values) else { return "–".to_owned() };
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.len() == 1 {
        return short(middle);
    }
    format!("{} [{}–{}]", short(middle), short(least), short(most))
}

/// Three digits that mean something.
pub(crate) fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1_000.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place) % 3 == 0 && digit.is_ascii_digit() && !text.ends_with('-') {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if magnitude >= 100.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if magnitude > 0.0 && magnitude < 0.1 {
        format!("{value:.3}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_well() {
        for (value, text) in [
            (1_234_567.0, "1,234,567"),
            (1_000.0, "1,000"),
            (-1_234.0, "-1,234"),
            (312.4, "312"),
            (0.0312, "0.031"),
            (2.0, "2.00"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(spread(&[3.0, 1.0, 2.0]), "2.00 [1.00–3.00]");
    }
}
