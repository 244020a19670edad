//! Characters of a sudoers file to words, with the line that each stands on (toke.l).

/// Where in a file the reader is.
use agent_core::bytes;

pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// From 1.
    pub(super) line: usize,
}

/// What ends a bare word unless a backslash stands before it.
const SPECIAL: &[u8] = b"#>!=:,() \t\r\n\\\"";
/// What ends a command or its arguments.
const ENDS: &[u8] = b"#:,=\r\n";

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

    /// A bare or quoted word: `ann`, `%wheel`, `%:group`, `#1000`, `%#33`, `+net`, `"a b"`; whether it was
    /// quoted. `None` if none is here, or a quote is left open.
    pub(super) fn word(&mut self) -> Option<(String, bool)> {
        self.blanks();
        if self.peek() == Some(b'"') {
            return self.quoted().map(|text| (text, true));
        }
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
            return Some((String::from_utf8_lossy(&word).into_owned(), false));
        }
        let prefix = word.len();
        self.bare(SPECIAL, &mut word);
        (word.len() > prefix).then(|| (String::from_utf8_lossy(&word).into_owned(), false))
    }

    /// Characters up to one of `ends`, backslashes taken off.
    fn bare(&mut self, ends: &[u8], word: &mut Vec<u8>) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => match self.peek_at(1) {
                    Some(b'\t' | b'\n' | b'\r') | None => break,
                    Some(escaped) => {
                        word.push(escaped);
                        self.advance(2);
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

    fn quoted(&mut self) -> Option<String> {
        self.advance(1);
        let mut word = Vec::new();
        loop {
            match self.peek()? {
                b'"' => {
                    self.advance(1);
                    return (!word.is_empty()).then(|| String::from_utf8_lossy(&word).into_owned());
                }
                b'\\' if self.peek_at(1) == Some(b'"') => {
                    word.push(b'"');
                    self.advance(2);
                }
                b'\\' if self.blanks() => {}
                b'\\' => {
                    self.advance(1);
                    word.extend(self.peek());
                    self.advance(usize::from(self.peek().is_some()));
                }
                b'\n' => return None,
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
        self.bare(b"#=, \t\r\n\\\"", &mut word);
        (!word.is_empty()).then(|| String::from_utf8_lossy(&word).into_owned())
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

    /// A command with its arguments, blanks between them made one.
    pub(super) fn command(&mut self) -> Option<String> {
        self.blanks();
        let mut command = Vec::new();
        match self.rest() {
            [b'/', ..] => self.bare(b"#:,= \t\r\n", &mut command),
            [b'^', ..] => self.pattern(&mut command)?,
            rest => {
                let name = [&b"sudoedit"[..], b"list"]
                    .into_iter()
                    .find(|name| rest.starts_with(name))?;
                let next = rest.get(name.len());
                if next.is_some_and(|byte| {
                    !matches!(
                        byte,
                        b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'#' | b'\\' | b'"'
                    )
                }) {
                    return None;
                }
                command.extend_from_slice(name);
                self.advance(name.len());
            }
        }
        // Arguments, up to what ends the list.
        loop {
            let blanks = self.blanks();
            match self.peek() {
                None => break,
                Some(byte) if ENDS.contains(&byte) => break,
                Some(b'^') if blanks => {
                    command.push(b' ');
                    self.pattern(&mut command)?;
                }
                Some(_) => {
                    if blanks {
                        command.push(b' ');
                    }
                    let before = self.at;
                    self.bare(b"#:, \t\r\n", &mut command);
                    if self.at == before {
                        return None;
                    }
                }
            }
        }
        Some(String::from_utf8_lossy(&command).into_owned())
    }

    /// `^…$`, in which every other character stands for itself.
    fn pattern(&mut self, command: &mut Vec<u8>) -> Option<()> {
        loop {
            match self.peek()? {
                b'\n' | b'\r' | b'#' => return None,
                b'\\'
                    if self
                        .peek_at(1)
                        .is_some_and(|next| !matches!(next, b'\n' | b'\r')) =>
                {
                    command.extend_from_slice(bytes::first(self.rest(), 2));
                    self.advance(2);
                }
                b'\\' => {
                    if !self.blanks() {
                        return None;
                    }
                }
                byte => {
                    command.push(byte);
                    self.advance(1);
                    if byte == b'$' {
                        return Some(());
                    }
                }
            }
        }
    }

    /// What follows `include`: the rest of the word, or a quoted one.
    pub(super) fn file_name(&mut self) -> Option<String> {
        self.blanks();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let mut word = Vec::new();
        self.bare(b" \t\r\n", &mut word);
        (!word.is_empty()).then(|| String::from_utf8_lossy(&word).into_owned())
    }

    /// A command without arguments, as in the list of a `Defaults!` line.
    pub(super) fn file_name_in_list(&mut self) -> Option<String> {
        self.blanks();
        let mut word = Vec::new();
        self.bare(b"#:,= \t\r\n", &mut word);
        (!word.is_empty()).then(|| String::from_utf8_lossy(&word).into_owned())
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
