//! The commands of a GRUB script (GRUB manual, "Shell-like scripting").

/// The commands of a script, each with its line: parted by ends of lines and semicolons outside of quotes, comments left
/// out. A brace that opens a block ends its command, one that closes it is a command.
pub(in crate::settings) fn commands(text: &str) -> Vec<(usize, String)> {
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

/// The words of a command, quotes and backslashes taken off, variables in them replaced (GRUB manual, "Quoting"). What
/// stands between single quotes is left as it is.
pub(super) fn expanded(command: &str, value: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(one), c) if c == one => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => match rest.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (quote, '$') => {
                let mut name = String::new();
                let braced = rest.next_if(|c| *c == '{').is_some();
                let is_name = |c: &char| {
                    c.is_ascii_alphanumeric() || matches!(c, '_' | '?' | '#' | '@' | '*')
                };
                while let Some(c) = rest.next_if(is_name) {
                    name.push(c);
                }
                if braced {
                    rest.next_if(|c| *c == '}');
                }
                let text = value(&name);
                match quote {
                    Some(_) => word.get_or_insert_default().push_str(&text),
                    // Outside of quotes blanks part words.
                    None => {
                        for c in text.chars() {
                            match c.is_whitespace() {
                                true => words.extend(word.take()),
                                false => word.get_or_insert_default().push(c),
                            }
                        }
                    }
                }
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_commands() {
        let value = |name: &str| match name {
            "x" => "a b".to_owned(),
            _ => String::new(),
        };
        for (text, expected) in [
            ("linux /v $x", &["linux", "/v", "a", "b"][..]),
            (
                "\"linux\" s.d\"_e\" \"${x}c\" $none'$x'",
                &["linux", "s.d_e", "a bc", "$x"],
            ),
            ("l\\inux \\$x r\\\nw", &["linux", "$x", "rw"]),
            ("set x=\"$x\"y", &["set", "x=a by"]),
        ] {
            assert_eq!(expanded(text, &value), expected, "{text}");
        }
    }
}
