//! Words of command lines and lists in units, as systemd parts them (extract_first_word() of its extract-word.c).

/// What a backslash does outside of what it holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// `\x61` and its like stand for a character (cunescape()), and any other backslash for itself: in command lines.
    C,
    /// The next character is taken as it is: in variables of an environment.
    Plain,
}

/// The words of a text, without their quotes.
pub fn words(text: &str, escapes: Escapes) -> Vec<String> {
    let mut rest = text.as_bytes();
    let mut found = Vec::new();
    while let Some(word) = word(&mut rest, escapes) {
        found.push(word);
    }
    found
}

/// The words of each command of an `ExecStart=`: a semicolon that stands alone parts them (systemd.service(5)).
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let mut rest = text.as_bytes();
    let mut found = vec![Vec::new()];
    loop {
        rest = rest.trim_ascii_start();
        let is_alone = |rest: &[u8]| rest.first().is_none_or(is_blank);
        if let Some(behind) = rest.strip_prefix(b";").filter(|rest| is_alone(rest)) {
            rest = behind;
            found.push(Vec::new());
            continue;
        }
        let next = match rest.strip_prefix(b"\\;").filter(|rest| is_alone(rest)) {
            Some(behind) => {
                rest = behind;
                Some(";".to_owned())
            }
            None => word(&mut rest, Escapes::C),
        };
        match (next, found.last_mut()) {
            (Some(word), Some(command)) => command.push(word),
            _ => return found,
        }
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn word(rest: &mut &[u8], escapes: Escapes) -> Option<String> {
    let start = rest.iter().take_while(|byte| is_blank(byte)).count();
    *rest = rest.get(start..)?;
    if rest.is_empty() {
        return None;
    }
    let (mut word, mut quote) = (Vec::new(), None);
    while let Some((byte, behind)) = rest.split_first() {
        *rest = behind;
        match (byte, quote) {
            (b'\\', _) => escaped(rest, escapes, &mut word),
            (byte, Some(open)) if *byte == open => quote = None,
            (b'"' | b'\'', None) => quote = Some(*byte),
            (byte, None) if is_blank(byte) => break,
            (byte, _) => word.push(*byte),
        }
    }
    Some(String::from_utf8_lossy(&word).into_owned())
}

/// Adds what a backslash and what follows it stand for.
fn escaped(rest: &mut &[u8], escapes: Escapes, word: &mut Vec<u8>) {
    let Some((first, behind)) = rest.split_first() else {
        word.push(b'\\');
        return;
    };
    if escapes == Escapes::C {
        if let Some(length) = unescaped(*first, behind, word) {
            *rest = behind.get(length..).unwrap_or_default();
            return;
        }
        word.push(b'\\');
    }
    word.push(*first);
    *rest = behind;
}

/// Adds the character of a C escape, and how many bytes behind its first one belong to it (cunescape_one() of escape.c).
fn unescaped(first: u8, behind: &[u8], word: &mut Vec<u8>) -> Option<usize> {
    let number = |text: &[u8], radix: u32| {
        let text = std::str::from_utf8(text).ok()?;
        let digits = text.chars().all(|c| c.is_digit(radix));
        u32::from_str_radix(text, radix).ok().filter(|_| digits)
    };
    let plain = match first {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b's' => b' ',
        b'\\' | b'"' | b'\'' => first,
        b'x' | b'0'..=b'7' => {
            let (value, length) = match first {
                b'x' => (number(behind.get(..2)?, 16)?, 2),
                first => {
                    let rest = number(behind.get(..2)?, 8)?;
                    let first = u32::from(first.saturating_sub(b'0'));
                    (first.saturating_mul(64).saturating_add(rest), 2)
                }
            };
            let value = u8::try_from(value).ok().filter(|value| *value != 0)?;
            word.push(value);
            return Some(length);
        }
        b'u' | b'U' => {
            let length = if first == b'u' { 4 } else { 8 };
            let value = number(behind.get(..length)?, 16)?;
            let character = char::from_u32(value).filter(|character| *character != '\0')?;
            word.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(length);
        }
        _ => return None,
    };
    word.push(plain);
    Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_c() {
        for (text, expected) in [
            (
                r"--\x61utologin \141b \u0061 \U00000061",
                &["--autologin", "ab", "a", "a"][..],
            ),
            (r#"'a\x20b'"\sc" \"d"#, &["a b c", "\"d"]),
            (
                r"\x6 \x00 \d \777 \",
                &[r"\x6", r"\x00", r"\d", r"\777", r"\"],
            ),
            (r"'' \\u", &["", r"\u"]),
        ] {
            assert_eq!(words(text, Escapes::C), expected, "{text}");
        }
        assert_eq!(words(r#"a\x61 '\n'\"x"#, Escapes::Plain), ["ax61", "n\"x"]);
    }

    #[test]
    fn semicolons() {
        assert_eq!(
            commands(r"/a b ; /c \; ';' x;"),
            [&["/a", "b"][..], &["/c", ";", ";", "x;"]]
        );
    }
}
