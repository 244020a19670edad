//! fnmatch(3) without flags, the way dpkg calls it: `*`, `?` and `[…]` match `/` and leading dots too.

/// Whether `pattern` matches all of `text`. Bytes are compared, as in the C locale.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // The pattern behind the last `*`, and how much of the text that star has not swallowed. An earlier
    // star need not be tried again: what a later one can reach includes all it could.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        let next = match text.get(t) {
            None if p == pattern.len() => return true,
            None => None,
            Some(byte) => one(&pattern[p..], *byte),
        };
        if let Some(used) = next {
            p += used;
            t += 1;
            continue;
        }
        match star {
            Some((behind, from)) if from < text.len() => {
                star = Some((behind, from + 1));
                (p, t) = (behind, from + 1);
            }
            _ => return false,
        }
    }
}

/// How much of the pattern is used up if its first element, which is no star, matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((true, used)) => Some(1 + used),
            Some((false, _)) => None,
            // Without an end it stands for itself.
            None => (byte == b'[').then_some(1),
        },
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'\\'] => None,
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

/// Whether the set behind a `[` holds `byte`, and its length with the `]`; `None` if it has no end.
fn bracket(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let first = usize::from(negated);
    let mut at = first;
    let mut found = false;
    loop {
        let rest = set.get(at..)?;
        match rest {
            [b']', ..] if at > first => return Some((found != negated, at + 1)),
            [b'[', b':', class @ ..] => {
                let end = class.windows(2).position(|pair| pair == b":]")?;
                found |= is_in_class(&class[..end], byte);
                at += end + 4;
                continue;
            }
            _ => {}
        }
        let (low, used) = element(rest)?;
        at += used;
        match set.get(at..)? {
            [b'-', high @ ..] if !matches!(high.first(), None | Some(b']')) => {
                let (high, used) = element(high)?;
                at += 1 + used;
                found |= (low..=high).contains(&byte);
            }
            _ => found |= low == byte,
        }
    }
}

/// One member of a set and its length: a byte, `\` and a byte, or `[.x.]` and `[=x=]`.
fn element(set: &[u8]) -> Option<(u8, usize)> {
    match set {
        [b'[', b'.', byte, b'.', b']', ..] | [b'[', b'=', byte, b'=', b']', ..] => Some((*byte, 5)),
        [b'\\', byte, ..] => Some((*byte, 2)),
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

fn is_in_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => byte == b' ' || byte == b'\t',
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in CASES {
            let got = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(got, *expected, "{pattern} on {text}");
        }
    }

    /// Each was asked of glibc's fnmatch with flags 0 in the C locale.
    const CASES: &[(&str, &str, bool)] = &[
        ("/a/*", "/a/b/c", true),
        ("/a/*", "/a/", true),
        ("/a/*", "/a", false),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("/a/*/c", "/a/b/x/c", true),
        ("/a/*/c", "/a/c", false),
        ("/a?b", "/a/b", true),
        ("/a[/]b", "/a/b", true),
        ("/*.mo", "/x/.y.mo", true),
        ("*a*b*c", "xaxbxbxc", true),
        ("*a*b*c", "xaxbxbx", false),
        ("**", "x", true),
        ("a[bc]d", "abd", true),
        ("a[!bc]d", "abd", false),
        ("a[^bc]d", "axd", true),
        ("a[b-d]e", "ace", true),
        ("a[]]b", "a]b", true),
        ("a[!]]b", "a]b", false),
        ("a[-x]b", "a-b", true),
        ("a[x-]b", "a-b", true),
        ("a[bc", "a[bc", true),
        ("a[bc", "ab", false),
        ("a[", "a[", true),
        ("[[:alpha:]]", "x", true),
        ("[[:alpha:]]", "1", false),
        ("[[:digit:]x]", "x", true),
        ("[[.a.]]", "a", true),
        ("[[=a=]]", "a", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "axb", false),
        ("a\\", "a\\", false),
        ("[\\]]", "]", true),
        ("[a\\-c]", "b", false),
        ("[a\\-c]", "-", true),
        ("\\a", "a", true),
    ];

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "*a".repeat(500);
        assert!(!matches(format!("{pattern}b").as_bytes(), &[b'a'; 4096]));
    }
}
