//! Bracket expressions: `[…]` as glibc's fnmatch(3) and OpenBSD's glob(3) read them, once, into a set of bytes.

use super::Syntax;
use crate::bytes;

/// A set of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

impl Set {
    pub(super) fn has(&self, byte: u8) -> bool {
        let bits = self.0.get(usize::from(byte >> 6));
        bits.is_some_and(|bits| bits & (1 << (byte & 63)) != 0)
    }

    fn add(&mut self, byte: u8) {
        if let Some(bits) = self.0.get_mut(usize::from(byte >> 6)) {
            *bits |= 1 << (byte & 63);
        }
    }

    fn add_all(&mut self, mut fits: impl FnMut(u8) -> bool) {
        (0..=u8::MAX)
            .filter(|byte| fits(*byte))
            .for_each(|byte| self.add(byte));
    }
}

/// What stands at one place of an expression.
enum Member {
    Byte(u8),
    Class(fn(u8) -> bool),
    /// Ill-formed: nothing that is not a member before it matches.
    Wrong,
}

/// The set that begins behind a `[`, and its length with the `]`; `None` if it has no end and `[` stands for itself.
pub(super) fn parse(text: &[u8], syntax: Syntax) -> Option<(Set, usize)> {
    let fnmatch = syntax == Syntax::Fnmatch;
    let negated = matches!(text.first(), Some(b'!')) || fnmatch && text.first() == Some(&b'^');
    let first = usize::from(negated);
    let mut set = Set::default();
    let mut wrong = false;
    let mut at = first;
    loop {
        let Some(byte) = text.get(at) else {
            // fnmatch(3) has given up by then where something is ill-formed.
            return (fnmatch && wrong).then(|| (Set::default(), text.len()));
        };
        // In the first place it is a member.
        if *byte == b']' && at > first {
            break;
        }
        let (member, used) = member(bytes::behind(text, at), fnmatch);
        at += used;
        match member {
            Member::Wrong => wrong = true,
            _ if wrong => {}
            Member::Class(class) => set.add_all(class),
            Member::Byte(low) => match (text.get(at), text.get(at + 1)) {
                (Some(b'-'), Some(end)) if *end != b']' => {
                    let (high, used) = end_of_range(bytes::behind(text, at + 1), fnmatch);
                    at += 1 + used;
                    match high {
                        Some(high) => set.add_all(|byte| (low..=high).contains(&byte)),
                        None => wrong = true,
                    }
                }
                _ => set.add(low),
            },
        }
    }
    if wrong && (negated || !fnmatch) {
        set = Set::default();
    } else if negated {
        set.0 = set.0.map(|bits| !bits);
    }
    Some((set, at + 1))
}

/// The member at the start of `text`, which is not empty, and its length.
fn member(text: &[u8], fnmatch: bool) -> (Member, usize) {
    match text {
        [b'[', b':', named @ ..] => {
            let end = named.windows(2).position(|pair| pair == b":]");
            let name = end.and_then(|end| named.get(..end));
            // glibc takes other characters, and z, for a sign that no class is meant.
            let name =
                name.filter(|name| !fnmatch || name.iter().all(|c| (b'a'..=b'y').contains(c)));
            match name {
                None => (Member::Byte(b'['), 1),
                Some(name) => (
                    class(name).map_or(Member::Wrong, Member::Class),
                    name.len() + 4,
                ),
            }
        }
        [b'[', b'=', byte, b'=', b']', ..] if fnmatch => (Member::Byte(*byte), 5),
        [b'[', b'.', ..] if fnmatch => symbol(text),
        _ => match escaped(text) {
            Some((byte, used)) => (Member::Byte(byte), used),
            None if fnmatch => (Member::Wrong, 1),
            None => (Member::Byte(b'\\'), 1),
        },
    }
}

/// `[.x.]`; the C locale has no names of more than one character.
fn symbol(text: &[u8]) -> (Member, usize) {
    match text {
        [_, _, byte, b'.', b']', ..] => (Member::Byte(*byte), 5),
        _ => {
            let end = bytes::behind(text, 2)
                .windows(2)
                .position(|pair| pair == b".]");
            (Member::Wrong, end.map_or(text.len(), |end| end + 4))
        }
    }
}

/// Where the range goes that ends at the start of `text`, and the length of that.
fn end_of_range(text: &[u8], fnmatch: bool) -> (Option<u8>, usize) {
    if fnmatch && text.starts_with(b"[.") {
        return match symbol(text) {
            (Member::Byte(byte), used) => (Some(byte), used),
            (_, used) => (None, used),
        };
    }
    escaped(text).map_or((None, 1), |(byte, used)| (Some(byte), used))
}

/// A byte, or `\` and a byte, with its length; `None` where `\` is the last.
fn escaped(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', byte, ..] => Some((*byte, 2)),
        [b'\\'] | [] => None,
        [byte, ..] => Some((*byte, 1)),
    }
}

/// A class of characters in the C locale (isalpha(3)).
fn class(name: &[u8]) -> Option<fn(u8) -> bool> {
    Some(match name {
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"blank" => |byte| byte == b' ' || byte == b'\t',
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"digit" => |byte| byte.is_ascii_digit(),
        b"graph" => |byte| byte.is_ascii_graphic(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"print" => |byte| byte.is_ascii_graphic() || byte == b' ',
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"space" => |byte| byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
