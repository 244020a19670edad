//! `--format html`: one page without scripts or anything fetched, to be attached to a ticket.

use super::{Review, by_directory, directory, unmoved};
use crate::report::html::STYLE;
use crate::report::markup;
use agent_core::paths;
use agent_core::words::{counted, thousands};
use std::io::{self, Write};

/// Differences that are listed; beyond it directories are counted.
pub(super) const KEPT: usize = 50_000;

pub(super) fn write(out: &mut dyn Write, review: &Review<'_>) -> io::Result<()> {
    let (old, new) = (review.old, review.new);
    let outcome = match review.differs() {
        true => review.outcome(),
        false => format!("equal: {}", counted(new.len(), "path")),
    };
    let name = |path: &std::path::Path| markup::text(&path.display().to_string());
    writeln!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{old} → {new}</title><style>{STYLE}</style></head><body>\n\
         <h1>{}</h1><p><code>{old}</code> of {} → <code>{new}</code> of {}</p>",
        markup::text(&outcome),
        markup::text(&old.header().time),
        markup::text(&new.header().time),
        old = name(old.path()),
        new = name(new.path()),
    )?;
    if review.profile {
        writeln!(out, "<p>{}</p>", markup::text(&review.profiles()))?;
    }
    left(out, review)?;
    packages(out, review)?;
    writeln!(
        out,
        "<footer>host-integrity-agent {}</footer></body></html>",
        markup::text(env!("CARGO_PKG_VERSION"))
    )
}

/// What no package explains, by directory.
fn left(out: &mut dyn Write, review: &Review<'_>) -> io::Result<()> {
    if review.changes.is_empty() {
        return Ok(());
    }
    let title = match review.packages.are_unknown() {
        true => "Differences",
        false => "Not explained by packages",
    };
    let count = review.changes.len();
    writeln!(
        out,
        "<details class=\"l\" open><summary><h2>{title} <small>{count}</small></h2></summary>"
    )?;
    let mut counts = by_directory(&review.changes);
    let kept = review.changes.get(..KEPT).unwrap_or(&review.changes);
    // What lies below one entry of a directory comes before its next entry: a directory is told once.
    let mut kept: Vec<_> = kept.iter().collect();
    kept.sort_by(|a, b| paths::compare(directory(&a.path), directory(&b.path)));
    for group in kept.chunk_by(|a, b| directory(&a.path) == directory(&b.path)) {
        let Some(first) = group.first() else { continue };
        let of = directory(&first.path);
        let of_these = counts.remove(of).unwrap_or_default();
        writeln!(
            out,
            "<h3>{} <small>{of_these}</small></h3><table class=\"d\">",
            markup::path(of)
        )?;
        for change in group {
            writeln!(
                out,
                "<tr><td><b>{}</b></td><td><code>{}</code></td><td>{}{}</td></tr>",
                change.word,
                markup::path(&change.path),
                markup::text(&change.said),
                markup::text(&unmoved(change)),
            )?;
        }
        writeln!(out, "</table>")?;
    }
    if count > kept.len() {
        writeln!(
            out,
            "<p>{} more: --format json lists all</p>",
            thousands((count - kept.len()) as u64)
        )?;
    }
    writeln!(out, "</details>")
}

/// The packages that changed.
fn packages(out: &mut dyn Write, review: &Review<'_>) -> io::Result<()> {
    let changes = &review.packages.changes;
    if changes.is_empty() {
        return Ok(());
    }
    let count = changes.len();
    writeln!(
        out,
        "<details class=\"l\" open><summary><h2>Packages <small>{count}</small></h2></summary><table class=\"d\">"
    )?;
    for change in changes {
        writeln!(
            out,
            "<tr><td><b>{}</b></td><td>{} {}<br><code>{} → {}</code></td><td>{}</td></tr>",
            change.word(),
            markup::text(&change.name),
            markup::text(&change.arch),
            markup::text(&change.old),
            markup::text(&change.new),
            markup::text(&change.counts()),
        )?;
    }
    writeln!(out, "</table></details>")
}
