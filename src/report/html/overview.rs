//! What the page shows first: how much of each severity, and where.

use super::super::markup;
use super::super::words::{plural, rank, thousands};
use super::rows::class;
use super::treemap::{Rect, layout};
use super::{Group, push};
use agent_core::escape;
use agent_core::finding::Finding;
use agent_core::paths::split;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Cells that can be told apart at a glance.
const CELLS: usize = 24;
/// What the map is laid out in: about the pixels it has on a wide screen, and on a telephone's. The style shows one of the
/// two, so that labels fit on both.
const SHAPES: [(&str, Rect); 2] = [
    ("wide", shape(1000.0, 240.0)),
    ("narrow", shape(360.0, 320.0)),
];
/// Pixels that a letter of the map's labels takes, and a line of them.
const LETTER: f64 = 7.5;
const LINE: f64 = 18.0;

/// One button for each severity that occurs, with a bar of its share; it also filters.
pub(super) fn bars(findings: &[Finding]) -> String {
    let mut out = String::from("<div id=\"bars\">");
    let most = findings.len().max(1) as f64;
    for (step, name) in ["critical", "high", "medium", "low", "unknown"]
        .iter()
        .enumerate()
    {
        let count = findings
            .iter()
            .filter(|finding| usize::from(rank(finding)) == step)
            .count();
        if count == 0 {
            continue;
        }
        let share = count as f64 / most * 100.0;
        push(
            &mut out,
            format_args!(
                "<button type=\"button\" class=\"{name}\" data-s=\"{name}\" aria-pressed=\"true\">{name} <b>{}</b>\
                 <svg aria-hidden=\"true\"><rect class=\"track\" width=\"100%\" height=\"6\"></rect>\
                 <rect class=\"bar\" width=\"{share:.2}%\" height=\"6\"></rect></svg></button>",
                thousands(count as u64)
            ),
        );
    }
    out.push_str("</div>\n");
    out
}

/// A map of the groups: the more findings the larger, coloured by the worst of them.
pub(super) fn map(groups: &[Group<'_>]) -> String {
    let mut cells = folded(groups);
    if cells.len() < 3 {
        return String::new();
    }
    cells.sort_by(|a, b| {
        b.weight()
            .total_cmp(&a.weight())
            .then_with(|| a.name.cmp(&b.name))
    });
    let weights: Vec<f64> = cells.iter().map(Cell::weight).collect();
    let mut out = String::from("<h2>Where</h2><div id=\"map\">");
    for (name, shape) in SHAPES {
        push(
            &mut out,
            format_args!(
                "<svg data-w=\"{name}\" role=\"group\" aria-label=\"Places by number of findings\">"
            ),
        );
        for (cell, rect) in cells.iter().zip(layout(&weights, shape)) {
            cell.draw(rect, shape, &mut out);
        }
        out.push_str("</svg>");
    }
    out.push_str("</div>\n");
    out
}

const fn shape(width: f64, height: f64) -> Rect {
    Rect {
        x: 0.0,
        y: 0.0,
        width,
        height,
    }
}

/// One cell a place; while there are too many, the deepest directories count as part of those they lie in.
fn folded(groups: &[Group<'_>]) -> Vec<Cell> {
    let mut cells: BTreeMap<Vec<u8>, Cell> = BTreeMap::new();
    for group in groups {
        merge(&mut cells, group.name.to_vec(), Cell::of(group));
    }
    let depth = |name: &[u8]| name.iter().filter(|byte| **byte == b'/').count();
    while cells.len() > CELLS {
        let deepest = cells.keys().map(|name| depth(name)).max().unwrap_or(0);
        if deepest < 2 {
            break;
        }
        for (name, cell) in std::mem::take(&mut cells) {
            let name = match depth(&name) == deepest {
                true => split(&name).0.to_vec(),
                false => name,
            };
            merge(&mut cells, name, cell);
        }
    }
    cells
        .into_iter()
        .map(|(name, cell)| Cell {
            name: escape::lossless_text(&name).0,
            ..cell
        })
        .collect()
}

fn merge(cells: &mut BTreeMap<Vec<u8>, Cell>, name: Vec<u8>, cell: Cell) {
    match cells.entry(name) {
        Entry::Vacant(vacant) => {
            vacant.insert(cell);
        }
        Entry::Occupied(mut occupied) => {
            let old = occupied.get_mut();
            let count = old.count + cell.count;
            if cell.rank < old.rank {
                *old = cell;
            }
            old.count = count;
        }
    }
}

struct Cell {
    name: String,
    /// Where the worst of it stands on the page.
    anchor: usize,
    rank: u8,
    class: &'static str,
    count: usize,
}

impl Cell {
    fn of(group: &Group<'_>) -> Cell {
        let worst = group.findings.first();
        Cell {
            name: String::new(),
            anchor: group.number,
            rank: worst.map_or(u8::MAX, rank),
            class: worst.map_or("low", class),
            count: group.findings.len(),
        }
    }

    /// Far below the count: one finding in /etc must be seen beside ten thousand elsewhere.
    fn weight(&self) -> f64 {
        (self.count as f64).cbrt()
    }

    fn draw(&self, rect: Rect, shape: Rect, out: &mut String) {
        let percent = |value: f64, of: f64| value / of * 100.0;
        push(
            out,
            format_args!(
                "<svg x=\"{:.3}%\" y=\"{:.3}%\" width=\"{:.3}%\" height=\"{:.3}%\">",
                percent(rect.x, shape.width),
                percent(rect.y, shape.height),
                percent(rect.width, shape.width),
                percent(rect.height, shape.height),
            ),
        );
        let name = markup::text(&self.name);
        let count = thousands(self.count as u64);
        let title = format!("{name}: {count} finding{}", plural(self.count as u64));
        push(
            out,
            format_args!(
                "<a class=\"{}\" href=\"#g{}\" data-d=\"{name}\" aria-label=\"{title}\">",
                self.class, self.anchor
            ),
        );
        push(
            out,
            format_args!("<title>{title}</title><rect width=\"100%\" height=\"100%\"></rect>"),
        );
        if rect.height >= LINE && rect.width >= 4.0 * LETTER {
            let label = markup::text(&fitted(&self.name, rect.width / LETTER));
            push(out, format_args!("<text x=\"6\" y=\"16\">{label}</text>"));
        }
        if rect.height >= 2.0 * LINE {
            push(out, format_args!("<text x=\"6\" y=\"32\">{count}</text>"));
        }
        out.push_str("</a></svg>");
    }
}

/// What fits this many letters of a name: of a directory the end, since they differ in their last parts, of an area the
/// beginning.
fn fitted(name: &str, letters: f64) -> String {
    let length = name.chars().count();
    let room = (0..length).take_while(|n| (*n as f64) + 3.0 <= letters);
    let room = room.count();
    match length <= room {
        true => name.to_owned(),
        false if name.starts_with('/') => {
            let end: String = name.chars().skip(length - room.min(length)).collect();
            format!("…{end}")
        }
        false => {
            let beginning: String = name.chars().take(room).collect();
            format!("{beginning}…")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_long_path_keeps_its_end_and_a_long_name_its_beginning() {
        assert_eq!(fitted("credentials", 8.0), "creden…");
        assert_eq!(fitted("/usr/bin", 20.0), "/usr/bin");
        assert_eq!(fitted("/usr/lib/node_modules/npm", 8.0), "…es/npm");
    }
}
