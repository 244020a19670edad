//! `info/PACKAGE.md5sums` (deb-md5sums(5)) and `info/PACKAGE.list`, the files a package still has.

use super::paths;
use std::borrow::Cow;
use std::collections::HashMap;

/// Digest and path of one line: `MD5  PATH`, or `MD5 *PATH` as md5sum(1) marks binary mode. One blank is what
/// packages that were not made with debhelper have; debsums(1) takes it as well.
///
/// A leading backslash says that the path is escaped, as md5sum(1) does for backslashes, newlines and
/// carriage returns; without it backslashes stand for themselves.
pub(super) fn parse_line(line: &[u8]) -> Option<([u8; 16], Cow<'_, [u8]>)> {
    let (escaped, line) = match line {
        [b'\\', rest @ ..] => (true, rest),
        _ => (false, line),
    };
    let (hex, rest) = line.split_at_checked(32)?;
    let md5 = digest(hex)?;
    let ([b' ', b' ' | b'*', path @ ..] | [b' ', path @ ..]) = rest else {
        return None;
    };
    if !escaped {
        return Some((md5, paths::relative(path)?));
    }
    let path = paths::relative(&unescape(path)?)?.into_owned();
    Some((md5, Cow::Owned(path)))
}

/// 32 hexadecimal digits, in either case.
pub(super) fn digest(hex: &[u8]) -> Option<[u8; 16]> {
    let mut md5 = [0; 16];
    if hex.len() != 32 {
        return None;
    }
    let digit = |character: u8| *DIGITS.get(usize::from(character)).unwrap_or(&255);
    let mut seen = 0;
    for (byte, pair) in md5.iter_mut().zip(hex.as_chunks::<2>().0) {
        let [high, low] = pair.map(digit);
        *byte = high << 4 | low;
        seen |= high | low;
    }
    (seen < 16).then_some(md5)
}

/// What each byte is worth as a digit; 255 for what is none. Digests are guesswork for a branch predictor.
#[expect(clippy::indexing_slicing, reason = "evaluated when the crate is built")]
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

fn unescape(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(out)
}

/// How far ahead the next path is looked for before the whole list is indexed.
const LOOK_AHEAD: usize = 64;

/// The paths that a package has according to its `.list`.
///
/// It is what dpkg goes by: when another package takes a file over (Replaces), the path is struck from this
/// list, while the list of digests stays as it was shipped.
pub(super) struct Listed<'a> {
    paths: Vec<&'a [u8]>,
    /// The two lists name files in nearly the same order.
    next: usize,
    index: Option<HashMap<&'a [u8], usize>>,
}

impl<'a> Listed<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Listed<'a> {
        Listed {
            paths: super::lines(text)
                .filter_map(|line| line.text.strip_prefix(b"/"))
                .collect(),
            next: 0,
            index: None,
        }
    }

    /// Whether the package has `path`, a relative one.
    pub(super) fn has(&mut self, path: &[u8]) -> bool {
        let ahead = self.paths.iter().enumerate().skip(self.next);
        let mut ahead = ahead.take(LOOK_AHEAD);
        let found = match ahead.find(|(_, listed)| **listed == path) {
            Some((number, _)) => Some(number),
            None => {
                let index = self.index.get_or_insert_with(|| {
                    let numbered = self.paths.iter().enumerate();
                    numbered.map(|(number, path)| (*path, number)).collect()
                });
                index.get(path).copied()
            }
        };
        match found {
            Some(found) => {
                self.next = found.saturating_add(1);
                true
            }
            // dpkg writes one path a line and refuses to unpack a name that would not fit.
            None => path.contains(&b'\n'),
        }
    }

    /// All paths, those of directories too.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.paths.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn parsed(line: &str) -> Option<String> {
        let line = line.replace("HEX", HEX);
        let (md5, path) = parse_line(line.as_bytes())?;
        assert_eq!(agent_core::escape::hex(&md5), HEX);
        Some(String::from_utf8_lossy(&path).into_owned())
    }

    #[test]
    fn lines_in_every_spelling() {
        for (line, path) in [
            ("HEX  usr/bin/x", "usr/bin/x"),
            ("HEX *usr/bin/x", "usr/bin/x"),
            ("HEX  ./usr/bin/x", "usr/bin/x"),
            ("HEX  /usr/bin/x", "usr/bin/x"),
            ("HEX usr/bin/x", "usr/bin/x"),
            ("HEX /usr/bin/x", "usr/bin/x"),
            (
                "HEX  usr/share/a name  with spaces ",
                "usr/share/a name  with spaces ",
            ),
            ("HEX    lead", "  lead"),
            ("HEX  back\\slash\\n", "back\\slash\\n"),
            ("\\HEX  back\\\\slash", "back\\slash"),
            ("\\HEX  new\\nline\\r", "new\nline\r"),
        ] {
            assert_eq!(parsed(line).as_deref(), Some(path), "{line}");
        }
        assert!(parse_line(format!("{}  x", HEX.to_uppercase()).as_bytes()).is_some());
        let line = [HEX.as_bytes(), b"  a\xff\x01b"].concat();
        let (_, path) = parse_line(&line).expect("any bytes");
        assert_eq!(&*path, b"a\xff\x01b");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for line in [
            "",
            "HEX",
            "HEX ",
            "HEX  ",
            "HEX\tx",
            "HEX0  x",
            "xEX  usr",
            "HEX  ../x",
            "HEX  a/../x",
            "HEX  a\0b",
            "\\HEX  tail\\",
            "\\HEX  \\x",
            "é  x",
            " HEX  x",
            "HEX  .",
            "HEX  /",
        ] {
            assert_eq!(parsed(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_list_is_searched_in_any_order() {
        let text: String = (0..100).map(|n| format!("/usr/{n}\n")).collect();
        let mut listed = Listed::parse(text.as_bytes());
        for n in (0..100).rev().chain(0..100) {
            assert!(listed.has(format!("usr/{n}").as_bytes()), "{n}");
        }
        assert!(!listed.has(b"usr/100"));
        assert!(!listed.has(b"usr"));
        assert!(listed.has(b"usr/new\nline"));
    }
}
