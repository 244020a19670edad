//! The commands of a GRUB script (GRUB manual, "Shell-like scripting").

/// The commands of a script, each with its line: parted by ends of lines and semicolons outside of quotes, comments left
/// out. A brace that opens a block ends its command, one that closes it is a command.
pub(super) fn commands(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let (mut open, mut start, mut line) = (String::new(), 1, 1_usize);
    let mut quote = None;
    let mut rest = text.chars().peekable();
    let mut end = |open: &mut String, start: usize| {
        let command = std::mem::take(open).trim().to_owned();
        if !command.is_empty() {
            found.push((start, command));
        }
    };
    while let Some(c) = rest.next() {
        let begins = open.ends_with([' ', '\t']) || open.is_empty();
        let before = line;
        line = line.saturating_add(usize::from(c == '\n'));
        if open.trim().is_empty() {
            start = before;
        }
        match (quote, c) {
            (Some(one), c) if c == one => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => match rest.next() {
                Some('\n') => {
                    line = line.saturating_add(1);
                    continue;
                }
                Some(next) => {
                    open.push(c);
                    open.push(next);
                    continue;
                }
                None => {}
            },
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if begins => {
                while rest.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            (None, ';' | '\n') => {
                end(&mut open, start);
                continue;
            }
            (None, '{' | '}')
                if begins && rest.peek().is_none_or(|c| c.is_whitespace() || *c == ';') =>
            {
                if c == '}' {
                    end(&mut open, start);
                }
                open.push(c);
                end(&mut open, start);
                continue;
            }
            _ => {}
        }
        open.push(c);
    }
    end(&mut open, start);
    found
}
