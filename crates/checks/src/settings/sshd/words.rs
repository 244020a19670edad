//! How sshd cuts a line into words: `strdelim` and `argv_split` of OpenSSH's misc.c (8.7 and later).

const WHITESPACE: &[char] = &[' ', '\t', '\r', '\n'];

/// Cuts the next word off `rest` as `strdelim` does: at white space, or at one `=`; a part in double quotes
/// is taken whole. `None` at the end, and where a quote is not closed.
pub(super) fn delimited(rest: &mut Option<String>) -> Option<String> {
    cut(rest, true)
}

/// The same; without `at_equals` as `strdelimw`, for which `=` is a character like any other.
fn cut(rest: &mut Option<String>, at_equals: bool) -> Option<String> {
    let text = rest.take()?;
    let ends = |c| WHITESPACE.contains(&c) || c == '"' || at_equals && c == '=';
    let Some(at) = text.find(ends) else {
        return Some(text);
    };
    let (word, tail) = text.split_at(at);
    if let Some(tail) = tail.strip_prefix('"') {
        let (inner, tail) = tail.split_once('"')?;
        *rest = Some(tail.trim_start_matches(WHITESPACE).to_owned());
        return Some(format!("{word}{inner}"));
    }
    let equals = tail.starts_with('=');
    let tail = tail[1..].trim_start_matches(WHITESPACE);
    let tail = match tail.strip_prefix('=') {
        Some(tail) if !equals => tail.trim_start_matches(WHITESPACE),
        _ => tail,
    };
    *rest = Some(tail.to_owned());
    Some(word.to_owned())
}

/// The words of a line before OpenSSH 8.7: at blanks and `=`, double quotes around whole words, no escapes and
/// no comments. `None` if a quote is left open.
pub(super) fn split_plainly(text: &str, at_equals: bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = Some(text.to_owned());
    while rest.as_ref().is_some_and(|text| !text.is_empty()) {
        let word = cut(&mut rest, at_equals)?;
        // Every loop over words ended at an empty one.
        if word.is_empty() && !words.is_empty() {
            break;
        }
        words.push(word);
    }
    Some(words)
}

/// Splits as a shell would: single and double quotes, a few escapes, `#` at the start of a word ends all.
///
/// `None` if a quote is left open.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    argv_split(text, true)
}

/// The words of a command that sshd runs, as AuthorizedKeysCommand, the program the first; empty where a quote is left
/// open, for then it runs none. `#` is a character like any other.
pub(super) fn of_command(text: &str) -> Vec<String> {
    argv_split(text, false).unwrap_or_default()
}

fn argv_split(text: &str, comments: bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None => return Some(words),
            Some('#') if comments => return Some(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\\', _) => match chars.peek() {
                    Some('\'' | '"' | '\\') => word.extend(chars.next()),
                    Some(' ') if quote.is_none() => word.extend(chars.next()),
                    _ => word.push('\\'),
                },
                (' ' | '\t', None) => break,
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_end_at_blank_or_one_equals_sign() {
        for (line, word, left) in [
            ("K v", "K", "v"),
            ("K=v", "K", "v"),
            ("K = v", "K", "v"),
            ("K == v", "K", "= v"),
            ("K= = v", "K", "= v"),
            ("\"K\" v", "K", "v"),
            ("K\t\"v w\"", "K", "\"v w\""),
        ] {
            let mut rest = Some(line.to_owned());
            assert_eq!(delimited(&mut rest).as_deref(), Some(word), "{line}");
            assert_eq!(rest.as_deref(), Some(left), "{line}");
        }
        assert_eq!(delimited(&mut Some("\"open".to_owned())), None);
    }

    #[test]
    fn values_are_split_as_a_shell_would() {
        for (text, words) in [
            ("a b", Some(vec!["a", "b"])),
            ("a\"b\"c", Some(vec!["abc"])),
            ("'a b' c", Some(vec!["a b", "c"])),
            ("no # c", Some(vec!["no"])),
            ("no#c", Some(vec!["no#c"])),
            ("a\\ b", Some(vec!["a b"])),
            ("\"a\\ b\"", Some(vec!["a\\ b"])),
            ("\\x \\\"", Some(vec!["\\x", "\""])),
            ("\"open", None),
            ("", Some(vec![])),
        ] {
            let expected = words.map(|w| w.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
