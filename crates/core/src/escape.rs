//! Names that may hold any byte, made fit for a manifest, for JSON and for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether both NetBSD's mtree and libarchive take the byte unescaped in a name.
fn is_plain(byte: u8) -> bool {
    PLAIN.get(usize::from(byte)) == Some(&true)
}

/// By byte: a manifest's every byte of a name is looked up here.
#[expect(clippy::indexing_slicing, reason = "evaluated when the crate is built")]
static PLAIN: [bool; 256] = {
    let others = b"!%$&'()+,-./:;<>@^_`{|}~\"=]";
    let mut plain = [false; 256];
    let mut i = 0;
    while i < others.len() {
        plain[others[i] as usize] = true;
        i += 1;
    }
    let mut byte = 0_u8;
    while byte < 128 {
        plain[byte as usize] |= byte.is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

/// Appends `name` with every byte that some mtree reader trips over as `\ooo`: vis(3)'s octal form.
pub fn push_octal(out: &mut Vec<u8>, name: &[u8]) {
    for &byte in name {
        if is_plain(byte) {
            out.push(byte);
        } else {
            out.extend([
                b'\\',
                b'0' | byte >> 6,
                b'0' | byte >> 3 & 7,
                b'0' | byte & 7,
            ]);
        }
    }
}

/// The same, as a text of its own.
pub fn octal(name: &[u8]) -> String {
    let mut out = Vec::with_capacity(name.len());
    push_octal(&mut out, name);
    String::from_utf8_lossy(&out).into_owned()
}

/// The bytes that [`push_octal`] wrote. `None` where a backslash is not followed by three octal digits,
/// for a byte that should have been escaped, and for NUL, which no name holds.
pub fn from_octal(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    push_from_octal(&mut out, text).then_some(out)
}

/// Appends the bytes that [`push_octal`] wrote; false where [`from_octal`] gives nothing, with any of them appended.
#[must_use]
pub fn push_from_octal(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let plain = text.iter().take_while(|byte| is_plain(**byte)).count();
    let (plain, mut rest) = text.split_at(plain);
    out.extend_from_slice(plain);
    while let [first, tail @ ..] = rest {
        if *first == b'\\' {
            let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] = tail else {
                return false;
            };
            let byte = (a & 3) << 6 | (b & 7) << 3 | c & 7;
            if byte == 0 {
                return false;
            }
            out.push(byte);
            rest = tail;
        } else {
            if !is_plain(*first) {
                return false;
            }
            out.push(*first);
            rest = tail;
        }
    }
    true
}

/// The name as text, its bytes that are not UTF-8 as `\xHH`. The second value is false if there were any.
pub fn lossless_text(name: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(name.len());
    let mut whole = true;
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            whole = false;
            push_hex_escape(&mut text, *byte);
        }
    }
    (text, whole)
}

fn push_hex_escape(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    write!(text, "\\x{byte:02x}").unwrap_or_default();
}

/// Text with control characters, and marks that reorder or hide what follows, written as escapes,
/// so that a file name cannot move the cursor, change colours or fake another name.
pub fn terminal_text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().saturating_add(8));
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Controls (C0, DEL, C1), line separators, bidirectional overrides, zero-width and tag characters.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A path for a person: odd bytes as `\xHH`, controls escaped.
pub fn terminal_bytes(path: &[u8]) -> String {
    terminal_text(&lossless_text(path).0).into_owned()
}

/// A path for a person: odd bytes as `\xHH`, controls escaped.
pub fn terminal_path(path: &Path) -> String {
    terminal_bytes(path.as_os_str().as_bytes())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let room = String::with_capacity(bytes.len().saturating_mul(2));
    bytes.iter().fold(room, |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

/// The bytes of lower-case hexadecimal of exactly that length.
pub fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    /// By character; what is no digit has a bit above the four.
    #[expect(clippy::indexing_slicing, reason = "evaluated when the crate is built")]
    static DIGITS: [u8; 256] = {
        let mut digits = [0xf0; 256];
        let mut i = 0;
        while i < 16 {
            digits[b"0123456789abcdef"[i as usize] as usize] = i;
            i += 1;
        }
        digits
    };
    let digit = |character: u8| *DIGITS.get(usize::from(character)).unwrap_or(&0xf0);
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(digit);
        *byte = high << 4 | low & 0xf;
        seen |= high | low;
    }
    (seen < 16).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_survives_a_manifest() {
        let all: Vec<u8> = (1..=255).collect();
        let mut text = Vec::new();
        push_octal(&mut text, &all);
        assert!(text.iter().all(|b| is_plain(*b) || *b == b'\\'));
        assert_eq!(from_octal(&text), Some(all));
    }

    #[test]
    fn malformed_escapes_are_refused() {
        for bad in [
            "\\", "\\04", "\\000", "\\400", "\\x20", "\\s", "a b", "a#", "é",
        ] {
            assert_eq!(from_octal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_name_cannot_act_on_a_terminal() {
        assert_eq!(terminal_bytes(b"a\x1b[2Jb\xff\n"), "a\\u{1b}[2Jb\\xff\\n");
        assert_eq!(terminal_text("ab\u{202e}txt.exe"), "ab\\u{202e}txt.exe");
        assert_eq!(terminal_text("größe"), "größe");
    }

    #[test]
    fn hex_both_ways() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(from_hex::<3>(b"00abff"), Some([0, 0xab, 0xff]));
        assert_eq!(from_hex::<3>(b"00ABFF"), None);
        assert_eq!(from_hex::<3>(b"00abf"), None);
    }
}
