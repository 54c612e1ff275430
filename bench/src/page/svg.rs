//! Two kinds of picture, plain enough to be read as text: bars beside each other, and lines over a size.

use std::fmt::Write as _;

use crate::table::short;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 330.0;
const ROW: f64 = 26.0;
const COLOURS: [&str; 6] = ["#2a6f97", "#a9b4c2", "#bc6c25", "#606c38", "#7b2cbf", "#9d0208"];

/// One bar: its label, length and colour, and the text after it.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) colour: usize,
    pub(super) note: String,
}

/// One line: its points have whole sizes, each ten times the one before.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) values: Vec<f64>,
}

/// Bars, one under another; with a mark across all of them where there is one to reach.
pub(super) fn bars(title: &str, bars: &[Bar], mark: Option<f64>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a handful of bars")]
    let height = 46.0 + ROW * bars.len() as f64;
    let most = bars.iter().map(|bar| bar.value).chain(mark).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABEL - 120.0) / most;
    let mut picture = open(title, height);
    let mut y = 36.0;
    for Bar { label, value, colour, note } in bars {
        let length = (value * scale).max(1.0);
        let (middle, end) = (y + 14.0, LABEL + length + 6.0);
        let colour = COLOURS[colour % COLOURS.len()];
        text(&mut picture, LABEL - 8.0, middle, "end", label);
        let _ = writeln!(
            picture,
            "<rect x=\"{LABEL}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"18\" fill=\"{colour}\"/>"
        );
        text(&mut picture, end, middle, "start", &format!("{}{note}", short(*value)));
        y += ROW;
    }
    if let Some(mark) = mark {
        let x = LABEL + mark * scale;
        let _ = writeln!(
            picture,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"30\" y2=\"{:.0}\" stroke=\"#9d0208\" stroke-dasharray=\"4 3\"/>",
            height - 8.0
        );
    }
    picture + "</svg>\n"
}

/// Lines over sizes; the upright axis starts at nought.
pub(super) fn lines(title: &str, unit: &str, sizes: &[&str], lines: &[Line]) -> String {
    const HEIGHT: f64 = 320.0;
    const LEFT: f64 = 70.0;
    const RIGHT: f64 = 560.0;
    const TOP: f64 = 50.0;
    const BOTTOM: f64 = 280.0;
    let most = lines.iter().flat_map(|line| &line.values).copied().fold(f64::MIN_POSITIVE, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a handful of sizes")]
    let x = |place: usize| LEFT + (RIGHT - LEFT) * place as f64 / (sizes.len().max(2) - 1) as f64;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / most;
    let mut picture = open(title, HEIGHT);
    for (place, size) in sizes.iter().enumerate() {
        text(&mut picture, x(place), BOTTOM + 20.0, "middle", size);
    }
    for part in [0.0, 0.5, 1.0] {
        let value = most * part;
        let _ = writeln!(
            picture,
            "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#d0d7de\"/>",
            y(value)
        );
        text(&mut picture, LEFT - 8.0, y(value) + 4.0, "end", &short(value));
    }
    text(&mut picture, LEFT - 8.0, TOP - 14.0, "end", unit);
    for (n, line) in lines.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let points = line.values.iter().enumerate();
        let points: Vec<String> = points.map(|(place, value)| format!("{:.1},{:.1}", x(place), y(*value))).collect();
        let _ = writeln!(
            picture,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        #[expect(clippy::cast_precision_loss, reason = "a handful of lines")]
        let row = TOP + 22.0 * n as f64;
        let _ = writeln!(
            picture,
            "<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>",
            RIGHT + 24.0,
            row - 10.0
        );
        text(&mut picture, RIGHT + 42.0, row, "start", &line.label);
    }
    picture + "</svg>\n"
}

fn open(title: &str, height: f64) -> String {
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#1f2328\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let _ =
        writeln!(picture, "<text x=\"12\" y=\"20\" font-weight=\"bold\" font-size=\"14\">{}</text>", escaped(title));
    picture
}

fn text(picture: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(picture, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(words));
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
