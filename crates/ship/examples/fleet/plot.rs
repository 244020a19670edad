//! Requests a second as a picture.

use crate::Outcome;
use crate::service::Second;
use std::fmt::Write;

/// Size of one panel, in pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 130.0;
const LEFT: f64 = 60.0;
const GAP: f64 = 60.0;

/// A panel for each scenario: requests a second, and of them those that were refused or had no answer.
pub(crate) fn svg(outcomes: &[Outcome]) -> String {
    let height = (HEIGHT + GAP) * outcomes.len() as f64 + 20.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        WIDTH + LEFT + 20.0
    );
    for (n, outcome) in outcomes.iter().enumerate() {
        panel(&mut text, outcome, 30.0 + (HEIGHT + GAP) * n as f64);
    }
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, outcome: &Outcome, top: f64) {
    let step = outcome.seconds.len().div_ceil(380).max(1);
    let most = |of: fn(&Second) -> u32| -> Vec<f64> {
        let chunks = outcome.seconds.chunks(step);
        chunks
            .map(|chunk| f64::from(chunk.iter().map(of).max().unwrap_or(0)))
            .collect()
    };
    let (requests, refused) = (most(|s| s.requests), most(|s| s.refused));
    let highest = requests.iter().copied().fold(1.0, f64::max);
    let minutes = outcome.seconds.len() / 60;
    let bottom = top + HEIGHT;
    let line = |values: &[f64]| {
        let points = values.iter().enumerate().map(|(n, value)| {
            let x = LEFT + WIDTH * n as f64 / values.len().max(1) as f64;
            format!("{x:.1},{:.1}", bottom - HEIGHT * value / highest)
        });
        points.collect::<Vec<_>>().join(" ")
    };
    let written = write!(
        text,
        "<text x=\"{LEFT}\" y=\"{}\">{} hosts: {} (requests a second; refused in red)</text>\n\
         <text x=\"4\" y=\"{}\">{highest:.0}</text><text x=\"4\" y=\"{bottom}\">0</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{minutes} min</text>\n\
         <path d=\"M{LEFT} {top}V{bottom}H{}\" fill=\"none\" stroke=\"#888\"/>\n\
         <polyline fill=\"none\" stroke=\"#1f5fa8\" points=\"{}\"/>\n\
         <polyline fill=\"none\" stroke=\"#c22\" points=\"{}\"/>\n",
        top - 8.0,
        outcome.hosts,
        outcome.name,
        top + 10.0,
        LEFT + WIDTH,
        bottom + 16.0,
        LEFT + WIDTH,
        line(&requests),
        line(&refused),
    );
    written.expect("a text takes everything");
}
