//! Cutting bytes that somebody else wrote: no length or place in them can lead past their end.

/// What stands before the first `byte` and behind it; `None` where it does not occur.
pub fn split_once(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    cut(text, memchr::memchr(byte, text)?)
}

/// What stands before the last `byte` and behind it; `None` where it does not occur.
pub fn rsplit_once(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    cut(text, memchr::memrchr(byte, text)?)
}

fn cut(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.split_first()?.1))
}

/// What stands before the first `byte`; all where it does not occur.
pub fn until(text: &[u8], byte: u8) -> &[u8] {
    split_once(text, byte).map_or(text, |(before, _)| before)
}

/// The first `length` bytes, as a call has filled them that says how many there are; all where they are fewer.
pub fn first(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(..length).unwrap_or(bytes)
}

/// What stands behind the first `length` bytes; nothing where they are fewer.
pub fn behind(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length..).unwrap_or_default()
}

/// The text without what `goes` of its end.
pub fn trim_end(mut text: &[u8], goes: impl Fn(u8) -> bool) -> &[u8] {
    while let [before @ .., last] = text
        && goes(*last)
    {
        text = before;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_an_end() {
        assert_eq!(split_once(b"a=b=c", b'='), Some((&b"a"[..], &b"b=c"[..])));
        assert_eq!(rsplit_once(b"a=b=c", b'='), Some((&b"a=b"[..], &b"c"[..])));
        for (text, halves) in [
            (&b"="[..], Some((&b""[..], &b""[..]))),
            (b"=x", Some((b"", b"x"))),
            (b"x=", Some((b"x", b""))),
            (b"x", None),
            (b"", None),
        ] {
            assert_eq!(split_once(text, b'='), halves);
            assert_eq!(rsplit_once(text, b'='), halves);
        }
        assert_eq!(
            (until(b"ab\0c\0", 0), until(b"ab", 0)),
            (&b"ab"[..], &b"ab"[..])
        );
        assert_eq!(
            (first(b"abc", 2), behind(b"abc", 2)),
            (&b"ab"[..], &b"c"[..])
        );
        assert_eq!(
            (first(b"abc", 4), behind(b"abc", 4)),
            (&b"abc"[..], &b""[..])
        );
        for (text, rest) in [(&b"a/b//"[..], &b"a/b"[..]), (b"//", b""), (b"", b"")] {
            assert_eq!(trim_end(text, |byte| byte == b'/'), rest);
        }
    }
}
