//! BER (ITU-T X.690) made definite: what AWS sends has lengths that are not told in advance, and parsers of DER
//! refuse them.
//!
//! Only the form changes: lengths become definite and shortest, and octet strings that come in pieces become one.

use agent_core::bounds;
use agent_core::bytes;

const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;
/// End of contents.
const END: [u8; 2] = [0, 0];

/// The same value with definite lengths; `None` if it is no BER, goes too deep or is followed by anything.
pub(super) fn to_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    element(&mut rest, &mut out, 0)?;
    rest.is_empty().then_some(out)
}

/// Moves one element over.
fn element(rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) -> Option<()> {
    if depth > bounds::SIGNATURE_DEPTH {
        return None;
    }
    let tag = byte(rest)?;
    // Tags of several bytes occur nowhere in a signature.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let length = length(rest)?;
    if tag & CONSTRUCTED == 0 {
        let contents = take(rest, length?)?;
        return put(out, tag, contents);
    }
    let mut inner = match length {
        Some(length) => take(rest, length)?,
        None => rest,
    };
    let whole = tag == OCTET_STRING | CONSTRUCTED;
    let mut contents = Vec::new();
    loop {
        if length.is_none()
            && let Some(behind) = inner.strip_prefix(&END)
        {
            *rest = behind;
            break;
        }
        if length.is_some() && inner.is_empty() {
            break;
        }
        match whole {
            true => piece(&mut inner, &mut contents, depth.saturating_add(1))?,
            false => element(&mut inner, &mut contents, depth.saturating_add(1))?,
        }
    }
    let tag = if whole { OCTET_STRING } else { tag };
    put(out, tag, &contents)
}

/// Moves one piece of an octet string over: its contents alone.
fn piece(rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) -> Option<()> {
    let mut joined = Vec::new();
    element(rest, &mut joined, depth)?;
    let mut joined = joined.as_slice();
    if byte(&mut joined)? != OCTET_STRING {
        return None;
    }
    let length = length(&mut joined)??;
    out.extend_from_slice(take(&mut joined, length)?);
    Some(())
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, others) = rest.split_at_checked(length)?;
    *rest = others;
    Some(taken)
}

/// A length; `Some(None)` where it is indefinite.
fn length(rest: &mut &[u8]) -> Option<Option<usize>> {
    match byte(rest)? {
        0x80 => Some(None),
        short @ 0..0x80 => Some(Some(usize::from(short))),
        long => {
            let digits = take(rest, usize::from(long & 0x7f))?;
            if digits.len() > 4 {
                return None;
            }
            let value = digits
                .iter()
                .fold(0usize, |value, digit| value << 8 | usize::from(*digit));
            Some(Some(value))
        }
    }
}

fn put(out: &mut Vec<u8>, tag: u8, contents: &[u8]) -> Option<()> {
    out.push(tag);
    let length = u32::try_from(contents.len()).ok()?;
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let skip = digits.iter().take_while(|digit| **digit == 0).count();
            let digits = bytes::behind(&digits, skip);
            out.push(0x80 | u8::try_from(digits.len()).ok()?);
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(contents);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_become_definite() {
        let long = [&[0x04, 0x81, 0x80][..], &[7; 128]].concat();
        let padded = [&[0x04, 0x84, 0, 0, 0, 1], &[9][..]].concat();
        for (ber, der) in [
            // NULL, and a sequence of two numbers: DER already.
            (&[5, 0][..], &[5, 0][..]),
            (&[0x30, 6, 2, 1, 1, 2, 1, 2], &[0x30, 6, 2, 1, 1, 2, 1, 2]),
            // Indefinite, within indefinite.
            (&[0x30, 0x80, 2, 1, 1, 0, 0], &[0x30, 3, 2, 1, 1]),
            (
                &[0x30, 0x80, 0xa0, 0x80, 2, 1, 1, 0, 0, 0, 0],
                &[0x30, 5, 0xa0, 3, 2, 1, 1],
            ),
            // An octet string in pieces, in both forms, and within another.
            (&[0x24, 0x80, 4, 1, 1, 4, 2, 2, 3, 0, 0], &[4, 3, 1, 2, 3]),
            (&[0x24, 6, 4, 1, 1, 4, 1, 2], &[4, 2, 1, 2]),
            (
                &[0x24, 0x80, 0x24, 0x80, 4, 1, 1, 0, 0, 4, 1, 2, 0, 0],
                &[4, 2, 1, 2],
            ),
            (&[0x24, 0x80, 0, 0], &[4, 0]),
            (&padded, &[4, 1, 9]),
            (&long, &long),
        ] {
            assert_eq!(to_der(ber).as_deref(), Some(der), "{ber:02x?}");
        }
    }

    #[test]
    fn what_goes_deeper_than_any_signature_is_refused() {
        let within = |depth: usize| {
            let (open, close) = ([0x30, 0x80].repeat(depth), [0, 0].repeat(depth));
            to_der(&[&open[..], &[5, 0], &close[..]].concat())
        };
        assert!(within(bounds::SIGNATURE_DEPTH).is_some());
        assert!(within(bounds::SIGNATURE_DEPTH + 1).is_none());
    }

    #[test]
    fn what_is_no_ber_is_refused() {
        let deep = [0x30, 0x80].repeat(1000);
        for ber in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x80, 0],
            &[0x30, 2, 2, 5, 1],
            &[0x30, 0x85, 0, 0, 0, 0, 1, 0],
            // Indefinite and primitive.
            &[4, 0x80, 0, 0],
            // Something else than an octet string in one.
            &[0x24, 3, 2, 1, 1],
            // A tag of several bytes; anything that follows.
            &[0x1f, 0x81, 1, 0],
            &[5, 0, 0],
            &deep,
        ] {
            assert_eq!(to_der(ber), None, "{ber:02x?}");
        }
    }
}
