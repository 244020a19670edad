//! The words of command lines, as a shell parts them.

/// Words of a command line: quotes hold blanks together, a backslash takes the next character as it is.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, blank) if blank.is_whitespace() => found.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, '\\') => {
                let next = characters.next().unwrap_or('\\');
                word.get_or_insert_default().push(next);
            }
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    found.extend(word);
    found
}

/// The simple commands of a script, redirections left out.
pub(in crate::settings) fn commands(text: &str) -> Vec<Vec<String>> {
    let (mut parts, mut part, mut quote) = (Vec::new(), String::new(), None);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '\\') => {
                part.push(c);
                part.extend(characters.next());
                continue;
            }
            // `2>&1` and `>&2` part no commands.
            (None, '&') if part.ends_with(['>', '<']) || characters.peek() == Some(&'>') => {}
            (None, ';' | '&' | '|' | '\n' | '(' | ')') => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    let mut found = Vec::new();
    for part in parts {
        let mut kept = Vec::new();
        let mut words = words(&part).into_iter();
        while let Some(word) = words.next() {
            let bare = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&');
            match bare.strip_prefix(['<', '>']) {
                // The file is the rest of the word, or the next one.
                Some(rest) if rest.trim_start_matches(['<', '>', '&', '|']).is_empty() => {
                    words.next();
                }
                Some(_) => {}
                None => kept.push(word),
            }
        }
        found.push(kept);
    }
    found
}

/// The command behind the options and operands of a program, and behind variables that are set for it.
pub(in crate::settings) fn behind(
    arguments: &[String],
    valued: &str,
    operands: usize,
) -> Vec<String> {
    let mut rest = arguments;
    while let [word, behind @ ..] = rest {
        let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if word == "--" {
            rest = behind;
            break;
        }
        if !word.starts_with('-') && !is_assignment {
            break;
        }
        // The value of the last option of a cluster may be the next word.
        let takes_next =
            !word.starts_with("--") && word.chars().last().is_some_and(|c| valued.contains(c));
        let passed = usize::from(takes_next && !is_assignment);
        rest = behind.get(passed..).unwrap_or_default();
    }
    rest.get(operands..).unwrap_or_default().to_vec()
}
