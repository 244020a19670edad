//! The short report on a terminal: where it is a few lines too long for one screen, it is cut until it fits.

use crate::report::wrap;

/// A label, and what stands beside it.
#[derive(Clone, Debug)]
pub(super) struct Paragraph {
    /// Of the label's colour (ECMA-48, SGR).
    pub(super) code: &'static str,
    /// The label.
    pub(super) word: String,
    /// Columns of the label and the blanks behind it.
    pub(super) column: usize,
    /// What stands beside it.
    pub(super) text: String,
    /// What of it may be left out.
    pub(super) cut: Cut,
}

/// What of a paragraph may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing.
    Whole,
    /// The end of what is said, but not the place in brackets behind it; of a row of that rank.
    Row(u8),
    /// Names, which are counted instead.
    Names,
    /// The end.
    Note,
}

impl Cut {
    /// Lines that are left at that level; `None`: all.
    fn lines(self, level: u8) -> Option<usize> {
        match (self, level) {
            (Cut::Whole, _) | (_, 0) => None,
            (Cut::Names | Cut::Note, _) => Some(1),
            (Cut::Row(2..), 1) => Some(2),
            (Cut::Row(2..), _) | (Cut::Row(_), 3..) => Some(1),
            (Cut::Row(_), _) => None,
        }
    }
}

/// The lines of each paragraph on a screen of so many columns and rows, one of which is the prompt's.
///
/// What would not fit however it is cut stays whole: it is read with a pager then.
pub(super) fn lines(
    paragraphs: &[Paragraph],
    width: Option<usize>,
    height: Option<usize>,
) -> Vec<Vec<String>> {
    let at = |level: u8| -> Vec<Vec<String>> {
        let each = paragraphs
            .iter()
            .map(|paragraph| paragraph.lines(width, level));
        each.collect()
    };
    let whole = at(0);
    let Some(rows) = height.map(|rows| rows.saturating_sub(1)) else {
        return whole;
    };
    let fits = |page: &Vec<Vec<String>>| page.iter().map(Vec::len).sum::<usize>() <= rows;
    if fits(&whole) {
        return whole;
    }
    (1..=3).map(at).find(fits).unwrap_or(whole)
}

impl Paragraph {
    fn lines(&self, width: Option<usize>, level: u8) -> Vec<String> {
        let wrapped = |text: &str| wrap::lines(text, width, self.column, self.column);
        let whole = wrapped(&self.text);
        let most = match self.cut.lines(level) {
            Some(most) if whole.len() > most => most,
            _ => return whole,
        };
        let (head, tail) = match self.text.rsplit_once(" (/") {
            Some((head, place)) if place.ends_with(')') && matches!(self.cut, Cut::Row(_)) => {
                (head, format!(" … (/{place}"))
            }
            _ => (self.text.as_str(), " …".to_owned()),
        };
        let separator = if self.cut == Cut::Names { ", " } else { " " };
        let pieces: Vec<&str> = head.split(separator).collect();
        let cut = |left: usize| {
            let head = pieces[..left].join(separator);
            match self.cut {
                Cut::Names => format!("{head}, … {} more", pieces.len() - left),
                _ => format!("{}{tail}", head.trim_end_matches([' ', ',', ';', ':'])),
            }
        };
        let fitting = (1..pieces.len()).rev().map(|left| wrapped(&cut(left)));
        fitting
            .into_iter()
            .find(|lines| lines.len() <= most)
            .unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, cut: Cut) -> Paragraph {
        Paragraph {
            code: "",
            word: "medium".into(),
            column: 10,
            text: text.into(),
            cut,
        }
    }

    #[test]
    fn what_is_a_little_too_long_is_cut_and_keeps_its_place() {
        let page = [
            row(
                "sshd.a  one two three four five six (/etc/a:1)",
                Cut::Row(2),
            ),
            row("sshd.b, sshd.c, sshd.d, sshd.e, sshd.f", Cut::Names),
            row("a note that is longer than a line", Cut::Note),
            row(
                "sshd.w  one two three four five six (/etc/a:1)",
                Cut::Row(0),
            ),
            row("Settings 1 judged: 1 passed, 0 failed", Cut::Whole),
        ];
        let shown = |height| lines(&page, Some(40), height).concat();
        let whole = shown(None);
        assert_eq!(shown(Some(whole.len() + 1)), whole);
        let cut = shown(Some(8));
        assert_eq!(
            cut,
            [
                "sshd.a  one two … (/etc/a:1)",
                "sshd.b, sshd.c, … 3 more",
                "a note that is longer than a …",
                "sshd.w  one two three four",
                "five six (/etc/a:1)",
                "Settings 1 judged: 1 passed, 0",
                "failed",
            ]
        );
        assert_eq!(shown(Some(7)).len(), 6);
        assert_eq!(shown(Some(5)), whole, "no cut makes it fit");
    }
}
