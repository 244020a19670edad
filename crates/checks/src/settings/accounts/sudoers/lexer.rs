//! Characters of a sudoers file to words, with the line that each stands on (toke.l).

mod command;

use agent_core::bytes;

/// Where in a file the reader is.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// From 1.
    pub(super) line: usize,
    /// Whether a backslash stood before what sudo-rs takes none before: it drops such a line.
    pub(super) odd_escape: bool,
}

/// A name in a list.
pub(super) struct Word {
    pub(super) text: String,
    /// Whether it may be an alias or `ALL`: neither in quotes nor with a backslash in it.
    pub(super) plain: bool,
    /// Whether a backslash stands before its first character, which then is no sign of a group or netgroup.
    pub(super) literal: bool,
}

/// What ends a bare word unless a backslash stands before it.
const SPECIAL: &[u8] = b"#>!=:,() \t\r\n\\\"";
/// A text of C: what stands behind a NUL, written as one or as `\x00`, does not count.
fn text(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes::first(bytes, end)).into_owned()
}

/// What two digits stand for.
fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let all = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| all)?;
    u8::from_str_radix(digits, 16).ok()
}

/// What stands behind the line end here, `\n` or `\r\n`; `None` if there is none.
fn behind_newline(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'\n', behind @ ..] | [b'\r', b'\n', behind @ ..] => Some(behind),
        _ => None,
    }
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            line: 1,
            odd_escape: false,
        }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        bytes::behind(self.text, self.at)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek_at(&self, n: usize) -> Option<u8> {
        self.rest().get(n).copied()
    }

    pub(super) fn advance(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.text.len());
    }

    /// Goes past what stands in front of `behind`, which ends as the text does.
    fn go_on_at(&mut self, behind: &[u8]) {
        self.at = self.text.len().saturating_sub(behind.len());
    }

    fn next_line(&mut self) {
        self.line = self.line.saturating_add(1);
    }

    /// Passes over blanks, and over line ends that a backslash takes away; whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let before = self.at;
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.advance(1),
                Some(b'\\') => {
                    let mut rest = bytes::behind(self.rest(), 1);
                    while let [b' ' | b'\t', behind @ ..] = rest {
                        rest = behind;
                    }
                    let Some(behind) = behind_newline(rest) else {
                        break;
                    };
                    self.go_on_at(behind);
                    self.next_line();
                }
                _ => break,
            }
        }
        self.at > before
    }

    /// Whether a comment begins here; `#` before a number is an id.
    fn at_comment(&self) -> bool {
        self.peek() == Some(b'#')
            && match self.peek_at(1) {
                Some(b'-') => !self.peek_at(2).is_some_and(|byte| byte.is_ascii_digit()),
                Some(byte) => !byte.is_ascii_digit(),
                None => true,
            }
    }

    /// Passes over the end of a line, a comment before it included; whether it was one. A comment is not
    /// continued by a backslash.
    pub(super) fn end_of_line(&mut self) -> bool {
        self.blanks();
        if self.at_comment() {
            let length = memchr::memchr(b'\n', self.rest()).unwrap_or(self.rest().len());
            self.advance(length);
        }
        match behind_newline(self.rest()) {
            None => self.peek().is_none(),
            Some(behind) => {
                self.go_on_at(behind);
                self.next_line();
                true
            }
        }
    }

    /// Goes on after the end of the line, as sudo does after an error.
    pub(super) fn skip_line(&mut self) {
        while !self.end_of_line() {
            self.advance(1);
        }
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        self.advance(usize::from(there));
        there
    }

    /// Any number of `!`; whether what follows is negated.
    pub(super) fn negated(&mut self) -> bool {
        let mut negated = false;
        while self.take(b'!') {
            negated = !negated;
        }
        negated
    }

    /// A bare or quoted word: `ann`, `%wheel`, `%:group`, `#1000`, `%#33`, `+net`, `"a b"`. `None` if none is here, or
    /// a quote is left open.
    pub(super) fn word(&mut self) -> Option<Word> {
        self.blanks();
        if self.peek() == Some(b'"') {
            let (plain, literal) = (false, false);
            return self.quoted().map(|text| Word {
                text,
                plain,
                literal,
            });
        }
        let start = self.at;
        let mut word = Vec::new();
        match self.rest() {
            [b'%', b':', ..] => {
                word.extend_from_slice(b"%:");
                self.advance(2);
            }
            [b'%', ..] => {
                word.push(b'%');
                self.advance(1);
            }
            _ => {}
        }
        if self.peek() == Some(b'#') && !self.at_comment() {
            // An id: digits, and nothing else.
            word.push(b'#');
            self.advance(1);
            while let Some(byte @ (b'-' | b'0'..=b'9')) = self.peek() {
                word.push(byte);
                self.advance(1);
            }
        } else {
            let before = self.at;
            self.bare(SPECIAL, b"\t\n", &mut word);
            if self.at == before {
                return None;
            }
        }
        let written = bytes::first(
            bytes::behind(self.text, start),
            self.at.saturating_sub(start),
        );
        Some(Word {
            text: text(&word),
            plain: memchr::memchr(b'\\', written).is_none(),
            literal: written.starts_with(b"\\"),
        })
    }

    /// Characters up to one of `ends`, or to a backslash before one of `kept`: backslashes are taken off, and `\xHH`
    /// stands for a byte (`copy_string` of toke_util.c).
    fn bare(&mut self, ends: &[u8], kept: &[u8], word: &mut Vec<u8>) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => match self.peek_at(1) {
                    None => break,
                    Some(escaped) if kept.contains(&escaped) => break,
                    Some(escaped) => {
                        self.odd_escape |= !b"\\\",:=!() ".contains(&escaped);
                        let digits = self.rest().get(2..4).filter(|_| escaped == b'x');
                        let byte = digits.and_then(hexadecimal);
                        word.push(byte.unwrap_or(escaped));
                        self.advance(byte.map_or(2, |_| 4));
                    }
                },
                byte if ends.contains(&byte) => break,
                byte => {
                    word.push(byte);
                    self.advance(1);
                }
            }
        }
    }

    /// What stands in quotes, where a backslash counts before a quote and a line end alone.
    fn quoted(&mut self) -> Option<String> {
        self.advance(1);
        let mut word = Vec::new();
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => {
                    let is_empty = self.at == start;
                    self.advance(1);
                    return (!is_empty).then(|| text(&word));
                }
                b'\\' if self.peek_at(1) == Some(b'"') => {
                    word.push(b'"');
                    self.advance(2);
                }
                b'\\' if self.blanks() => {}
                b'\n' | b'\r' => return None,
                byte => {
                    word.push(byte);
                    self.advance(1);
                }
            }
        }
    }

    /// The value of a setting, which may hold blanks in quotes alone.
    pub(super) fn value(&mut self) -> Option<String> {
        self.blanks();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let mut word = Vec::new();
        self.bare(b"#=, \t\r\n\\\"", b"\r\n", &mut word);
        (!word.is_empty()).then(|| text(&word))
    }

    /// A lower-case name of a setting.
    pub(super) fn variable(&mut self) -> Option<String> {
        self.blanks();
        self.while_is(|byte| byte.is_ascii_lowercase() || byte == b'_')
    }

    /// A name in capitals, as of aliases, tags and options.
    pub(super) fn capitals(&mut self) -> Option<String> {
        self.blanks();
        self.peek().filter(u8::is_ascii_uppercase)?;
        self.while_is(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    }

    fn while_is(&mut self, is: impl Fn(u8) -> bool) -> Option<String> {
        let length = self.rest().iter().take_while(|byte| is(**byte)).count();
        let word = String::from_utf8_lossy(bytes::first(self.rest(), length)).into_owned();
        self.advance(length);
        (length > 0).then_some(word)
    }

    /// `None` of the whole where `read` finds nothing: the reader then stands where it stood.
    pub(super) fn attempt<T>(
        &mut self,
        read: impl FnOnce(&mut Lexer<'a>) -> Option<T>,
    ) -> Option<T> {
        let (at, line) = (self.at, self.line);
        let found = read(self);
        if found.is_none() {
            (self.at, self.line) = (at, line);
        }
        found
    }

    /// What follows `include`: the rest of the word, or a quoted one.
    pub(super) fn file_name(&mut self) -> Option<String> {
        self.blanks();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let mut word = Vec::new();
        self.bare(b" \t\r\n\x0b\x0c", b"\r\n", &mut word);
        (!word.is_empty()).then(|| text(&word))
    }

    /// A command without arguments, as in the list of a `Defaults!` line.
    pub(super) fn file_name_in_list(&mut self) -> Option<String> {
        self.blanks();
        let mut word = Vec::new();
        self.path(&mut word)?;
        (!word.is_empty()).then(|| text(&word))
    }

    /// Whether nothing of the line has been read.
    pub(super) fn at_line_start(&self) -> bool {
        matches!(bytes::first(self.text, self.at), [] | [.., b'\n'])
    }

    /// Characters of hexadecimal or base64, as a digest is written.
    pub(super) fn digest(&mut self) -> Option<String> {
        self.blanks();
        self.while_is(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
    }
}
