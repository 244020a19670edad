//! Lines of units and of systemd's own configuration files, as systemd reads them (systemd.syntax(7), config_parse() of
//! its conf-parser.c).

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Section, key, value and line of each assignment.
///
/// systemd gives up at a line that is no UTF-8 and at a section's name that does not end: what stands behind it does not
/// count.
pub fn ini(bytes: &[u8]) -> Vec<(String, String, String, usize)> {
    let mut reading = Reading::default();
    let mut marked = false;
    for (number, line) in (1..).zip(Lines(bytes)) {
        // Comments stand between continued lines, too.
        if strip(line).starts_with(b"#") || strip(line).starts_with(b";") {
            continue;
        }
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(behind) if !marked => {
                marked = true;
                behind
            }
            _ => line,
        };
        let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\');
        // The second one of two escapes nothing.
        let continues = backslashes.count() % 2 == 1;
        let (start, whole) = reading.open.get_or_insert((number, Vec::new()));
        let start = *start;
        whole.extend_from_slice(line);
        if continues {
            whole.pop();
            whole.push(b' ');
            continue;
        }
        let whole = std::mem::take(whole);
        reading.open = None;
        if !reading.take(&whole, start) {
            return reading.found;
        }
    }
    if let Some((start, whole)) = reading.open.take() {
        reading.take(&whole, start);
    }
    reading.found
}

#[derive(Default)]
struct Reading {
    found: Vec<(String, String, String, usize)>,
    section: String,
    /// What continued lines have been so far, and where they begin.
    open: Option<(usize, Vec<u8>)>,
}

impl Reading {
    /// Takes a whole line; `false` where systemd goes no further.
    fn take(&mut self, line: &[u8], start: usize) -> bool {
        let line = strip(line);
        let Ok(line) = std::str::from_utf8(line) else {
            return false;
        };
        if let Some(rest) = line.strip_prefix('[') {
            let safe = |c: char| c >= ' ' && !matches!(c, '"' | '\'' | '\\' | '\x7f');
            match rest.strip_suffix(']').filter(|name| name.chars().all(safe)) {
                Some(name) => name.clone_into(&mut self.section),
                None => return false,
            }
        } else if let Some((key, value)) = line.split_once('=').filter(|(key, _)| !key.is_empty()) {
            let [key, value] = [key, value].map(|part| part.trim_matches(BLANKS).to_owned());
            self.found.push((self.section.clone(), key, value, start));
        }
        true
    }
}

/// All that systemd takes for blank.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

fn strip(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = line.iter().take_while(|byte| is_blank(byte)).count();
    let line = line.get(start..).unwrap_or_default();
    let end = line.iter().rev().take_while(|byte| is_blank(byte)).count();
    line.get(..line.len().saturating_sub(end))
        .unwrap_or_default()
}

/// Lines as read_line() of systemd's fileio.c parts them: a newline, a carriage return or a NUL ends one, and so do several
/// of them in a row, of which none stands twice and the NUL last.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
        let length = self.0.iter().position(is_end).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at_checked(length)?;
        let mut ended: Vec<u8> = Vec::with_capacity(3);
        for byte in rest.iter().copied().take(3) {
            if !is_end(&byte) || ended.contains(&byte) || ended.contains(&0) {
                break;
            }
            ended.push(byte);
        }
        self.0 = rest.get(ended.len()..).unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `KEY=VALUE` of each assignment in `[Service]`.
    fn said(text: &[u8]) -> Vec<String> {
        let all = ini(text).into_iter();
        let own = all.filter(|(section, ..)| section == "Service");
        own.map(|(_, key, value, _)| format!("{key}={value}"))
            .collect()
    }

    #[test]
    fn what_looks_like_part_of_another_line() {
        for (text, expected) in [
            (&b"[Service]\n# x\rA=b\n"[..], &["A=b"][..]),
            (b"[Service]\r\nA=b\r\n", &["A=b"]),
            (b"[Service]\n\r# x\0A=b", &["A=b"]),
            (b"[Service]\nX=a\\\\\nA=b\n", &["X=a\\\\", "A=b"]),
            (b"[Service]\nX=a\\ \nA=b\n", &["X=a\\", "A=b"]),
            (b"[Service]\nX=a\\\nA=b\n", &["X=a A=b"]),
            (
                b"[Service]\nX=a\\\n # no\n;\\\n  b\nA=c",
                &["X=a   b", "A=c"],
            ),
            (b"[Service]\nA=b\\", &["A=b"]),
            (b"\xef\xbb\xbf[Service]\nA=b\n", &["A=b"]),
            (
                b"\n\xef\xbb\xbf[Service]\nA=b\n\xef\xbb\xbfA=c\n",
                &["A=b", "\u{feff}A=c"],
            ),
            (b"[Service]\n\x0bA=b\n", &["\x0bA=b"]),
            (b"[Service]\n=b\nA\nA=b=c\n", &["A=b=c"]),
            // What systemd does not read any more.
            (b"[Service]\nA=b\n[bad\n[Service]\nA=\n", &["A=b"]),
            (b"[Service]\nA=b\nX=\xff\nA=\n", &["A=b"]),
            (b"[Service]\n# \xff\nA=b\n", &["A=b"]),
        ] {
            assert_eq!(said(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn lines_have_the_numbers_that_systemd_gives_them() {
        let numbers = |text: &[u8]| ini(text).pop().map(|(.., line)| line);
        assert_eq!(numbers(b"[S]\r\nA=b\r\n"), Some(2));
        assert_eq!(numbers(b"[S]\n\nX=a\\\nb\nA=b\\\nc"), Some(5));
    }
}
