//! Lines no wider than the terminal that they are written to.

use std::io::IsTerminal;

/// Columns below which wrapping does more harm than good.
const NARROWEST: usize = 40;

/// Columns of the terminal that standard output is; `None` where it is none, and lines are for programs too.
pub(crate) fn width() -> Option<usize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&out).ok()?;
    let columns = usize::from(size.ws_col);
    (columns > 0).then_some(columns.max(NARROWEST))
}

/// Rows of the terminal that standard output is; `None` where it is none, or does not say.
pub(crate) fn height() -> Option<usize> {
    let out = std::io::stdout();
    let size = match out.is_terminal() {
        true => rustix::termios::tcgetwinsize(&out).ok()?,
        false => return None,
    };
    (size.ws_row > 0).then_some(usize::from(size.ws_row))
}

/// `text` in lines of at most `width` columns, all but the first `indent` columns shorter for what stands before them.
///
/// Words stay whole: one that is wider than a line has a line of its own. `taken` columns of the first line are used.
pub(crate) fn lines(text: &str, width: Option<usize>, taken: usize, indent: usize) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = taken;
    for word in text.split(' ') {
        let columns = word.chars().count();
        let begun = !line.is_empty();
        if begun && used + 1 + columns > width {
            lines.push(std::mem::take(&mut line));
            used = indent;
        } else if begun {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += columns;
    }
    lines.push(line);
    // Two blanks where a name ends are kept within a line, and are of no use at its end.
    lines
        .into_iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn words_stay_whole_and_lines_within_the_width() {
        let text = "one two  three /a/path/that/is/longer/than/the/line four";
        let wrapped = lines(text, Some(20), 10, 10);
        assert_eq!(
            wrapped,
            [
                "one two",
                "three",
                "/a/path/that/is/longer/than/the/line",
                "four"
            ]
        );
        assert_eq!(lines(text, None, 10, 10), [text]);
        assert_eq!(lines("", Some(20), 10, 10), [""]);
    }
}
