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

/// The set that begins behind a `[`, and what stands behind its `]`; `None` if it has no end and `[` stands for itself.
pub(super) fn parse(text: &[u8], syntax: Syntax) -> Option<(Set, &[u8])> {
    let fnmatch = syntax == Syntax::Fnmatch;
    let negated = matches!(text.first(), Some(b'!')) || fnmatch && text.first() == Some(&b'^');
    let members = bytes::behind(text, usize::from(negated));
    let mut set = Set::default();
    let mut wrong = false;
    let mut rest = members;
    let behind = loop {
        let Some((byte, behind)) = rest.split_first() else {
            // fnmatch(3) has given up by then where something is ill-formed.
            return (fnmatch && wrong).then(|| (Set::default(), rest));
        };
        // In the first place it is a member.
        if *byte == b']' && rest.len() < members.len() {
            break behind;
        }
        let (member, behind) = member(rest, fnmatch);
        rest = behind;
        match member {
            Member::Wrong => wrong = true,
            _ if wrong => {}
            Member::Class(class) => set.add_all(class),
            Member::Byte(low) => match rest {
                [b'-', end @ ..] if !matches!(end, [] | [b']', ..]) => {
                    let (high, behind) = end_of_range(end, fnmatch);
                    rest = behind;
                    match high {
                        Some(high) => set.add_all(|byte| (low..=high).contains(&byte)),
                        None => wrong = true,
                    }
                }
                _ => set.add(low),
            },
        }
    };
    if wrong && (negated || !fnmatch) {
        set = Set::default();
    } else if negated {
        set.0 = set.0.map(|bits| !bits);
    }
    Some((set, behind))
}

/// The member at the start of `text`, which is not empty, and what stands behind it.
fn member(text: &[u8], fnmatch: bool) -> (Member, &[u8]) {
    match text {
        [b'[', b':', named @ ..] => {
            let end = named.windows(2).position(|pair| pair == b":]");
            let parts = end.and_then(|end| named.split_at_checked(end));
            // glibc takes other characters, and z, for a sign that no class is meant.
            let is_name = |name: &[u8]| name.iter().all(|c| (b'a'..=b'y').contains(c));
            match parts.filter(|(name, _)| !fnmatch || is_name(name)) {
                None => (Member::Byte(b'['), bytes::behind(text, 1)),
                Some((name, end)) => (
                    class(name).map_or(Member::Wrong, Member::Class),
                    bytes::behind(end, 2),
                ),
            }
        }
        [b'[', b'=', byte, b'=', b']', behind @ ..] if fnmatch => (Member::Byte(*byte), behind),
        [b'[', b'.', ..] if fnmatch => symbol(text),
        _ => match escaped(text) {
            Some((byte, behind)) => (Member::Byte(byte), behind),
            None if fnmatch => (Member::Wrong, bytes::behind(text, 1)),
            None => (Member::Byte(b'\\'), bytes::behind(text, 1)),
        },
    }
}

/// `[.x.]`; the C locale has no names of more than one character.
fn symbol(text: &[u8]) -> (Member, &[u8]) {
    match text {
        [_, _, byte, b'.', b']', behind @ ..] => (Member::Byte(*byte), behind),
        _ => {
            let named = bytes::behind(text, 2);
            let end = named.windows(2).position(|pair| pair == b".]");
            let end = bytes::behind(named, end.unwrap_or(named.len()));
            (Member::Wrong, bytes::behind(end, 2))
        }
    }
}

/// Where the range goes that ends at the start of `text`, and what stands behind that.
fn end_of_range(text: &[u8], fnmatch: bool) -> (Option<u8>, &[u8]) {
    if fnmatch && text.starts_with(b"[.") {
        return match symbol(text) {
            (Member::Byte(byte), behind) => (Some(byte), behind),
            (_, behind) => (None, behind),
        };
    }
    match escaped(text) {
        Some((byte, behind)) => (Some(byte), behind),
        None => (None, bytes::behind(text, 1)),
    }
}

/// A byte, or `\` and a byte, and what stands behind; `None` where `\` is the last.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', byte, behind @ ..] => Some((*byte, behind)),
        [b'\\'] | [] => None,
        [byte, behind @ ..] => Some((*byte, behind)),
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
