//! The cleartext signature framework (RFC 9580, 7): what was signed of a message, and the signature.
//!
//! Taken apart here and not by the `pgp` crate, whose time grows with more than the length: 172 ms for an InRelease of
//! 193 KB.

use agent_core::bytes;

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// The parts of a message.
pub(super) struct Parts<'a> {
    /// The text, dash escapes undone, each line ended by a newline.
    pub(super) text: Vec<u8>,
    /// What was hashed: lines without blanks at their ends, CRLF between them.
    pub(super) signed: Vec<u8>,
    /// The armored signature.
    pub(super) signature: &'a [u8],
}

/// Takes a message apart; `None` where it is none, or anything stands before or behind it.
pub(super) fn split(message: &[u8]) -> Option<Parts<'_>> {
    let mut rest = message;
    if bare(next(&mut rest)?) != BEGIN {
        return None;
    }
    // "Hash: SHA512", to a line that is empty.
    loop {
        let line = bare(next(&mut rest)?);
        if line.is_empty() {
            break;
        }
        if !line.starts_with(b"Hash: ") {
            return None;
        }
    }
    let (mut text, mut signed) = (Vec::new(), Vec::new());
    let mut first = true;
    loop {
        let from = rest;
        let line = next(&mut rest)?;
        if bare(line) == SIGNATURE {
            let end = memchr::memmem::find(from, END)?.checked_add(END.len())?;
            let (signature, behind) = from.split_at_checked(end)?;
            return behind.trim_ascii().is_empty().then_some(Parts {
                text,
                signed,
                signature,
            });
        }
        let line = match line {
            [b'-', b' ', line @ ..] => line,
            // A dash that is not escaped begins another part.
            [b'-', ..] => return None,
            line => line,
        };
        let line = bare(line);
        if !first {
            signed.extend(b"\r\n");
        }
        first = false;
        signed.extend(line);
        text.extend(line);
        text.push(b'\n');
    }
}

/// The next line without its newline; `None` at the end.
fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (line, behind) = bytes::split_once(rest, b'\n')?;
    *rest = behind;
    Some(line)
}

/// A line without blanks, tabs and carriage returns at its end.
fn bare(line: &[u8]) -> &[u8] {
    bytes::trim_end(line, |byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "-----BEGIN PGP SIGNATURE-----\n\nxx\n-----END PGP SIGNATURE-----\n";

    fn message(text: &str) -> String {
        format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}{TAIL}")
    }

    #[test]
    fn lines_are_bared_and_dashes_unescaped() {
        let message = message("a \t\n- -----dash\n\nb\r\n");
        let parts = split(message.as_bytes()).expect("sound");
        assert_eq!(parts.signed, b"a\r\n-----dash\r\n\r\nb");
        assert_eq!(parts.text, b"a\n-----dash\n\nb\n");
        assert!(parts.signature.starts_with(SIGNATURE) && parts.signature.ends_with(END));
    }

    #[test]
    fn nothing_stands_before_behind_or_within() {
        let good = message("a\n");
        assert!(split(good.as_bytes()).is_some());
        for bad in [
            format!("x\n{good}"),
            format!("{good}x"),
            good.replace("Hash: SHA256", "Origin: forged"),
            message("a\n-----BEGIN PGP SIGNED MESSAGE-----\nb\n"),
            good.replace("-----END PGP SIGNATURE-----", ""),
            String::new(),
        ] {
            assert!(split(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
