//! Requests a second as a picture.

use crate::scenario::Outcome;
use crate::service::Second;
use std::fmt::Write;

/// Size of one panel, in pixels.
const WIDTH: f64 = 330.0;
const HEIGHT: f64 = 110.0;
const LEFT: f64 = 56.0;
const GAP: f64 = 58.0;
/// Points of a line at most.
const POINTS: usize = 240;

/// A panel for each scenario and size of fleet: requests a second, and of them those that were refused or had no answer.
/// Each size is a column.
pub(crate) fn svg(columns: &[Vec<Outcome>]) -> String {
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let width = (WIDTH + LEFT) * columns.len() as f64 + 14.0;
    let height = (HEIGHT + GAP) * rows as f64 + 10.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
    );
    for (column, outcomes) in columns.iter().enumerate() {
        for (row, outcome) in outcomes.iter().enumerate() {
            let left = LEFT + (WIDTH + LEFT) * column as f64;
            panel(&mut text, outcome, left, 28.0 + (HEIGHT + GAP) * row as f64);
        }
    }
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, outcome: &Outcome, left: f64, top: f64) {
    let step = outcome.seconds.len().div_ceil(POINTS).max(1);
    let most = |of: fn(&Second) -> u32| -> Vec<f64> {
        let chunks = outcome.seconds.chunks(step);
        chunks
            .map(|chunk| f64::from(chunk.iter().map(of).max().unwrap_or(0)))
            .collect()
    };
    let (requests, refused) = (most(|s| s.requests), most(|s| s.refused));
    let highest = requests.iter().copied().fold(1.0, f64::max);
    let (minutes, bottom, right) = (outcome.seconds.len() / 60, top + HEIGHT, left + WIDTH);
    let line = |values: &[f64]| {
        let points = values.iter().enumerate().map(|(n, value)| {
            let x = left + WIDTH * n as f64 / values.len().max(1) as f64;
            format!("{x:.1},{:.1}", bottom - HEIGHT * value / highest)
        });
        points.collect::<Vec<_>>().join(" ")
    };
    let written = write!(
        text,
        "<text x=\"{left}\" y=\"{}\">{} hosts: {}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{highest:.0}/s</text>\
         <text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n\
         <text x=\"{right}\" y=\"{}\" text-anchor=\"end\">{minutes} min</text>\n\
         <path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>\n\
         <polyline fill=\"none\" stroke=\"#1f5fa8\" points=\"{}\"/>\n\
         <polyline fill=\"none\" stroke=\"#c22\" points=\"{}\"/>\n",
        top - 8.0,
        outcome.hosts,
        outcome.name,
        left - 4.0,
        top + 10.0,
        left - 4.0,
        bottom + 14.0,
        line(&requests),
        line(&refused),
    );
    written.expect("a text takes everything");
}
