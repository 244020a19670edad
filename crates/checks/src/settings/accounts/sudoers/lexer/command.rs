//! Commands of sudoers, their paths, arguments and patterns (GOTCMND and GOTREGEX of toke.l).

use super::Lexer;
use agent_core::bytes;

/// What ends a command or its arguments.
const ENDS: &[u8] = b"#:,=\r\n";
/// What ends a path.
const PATH_ENDS: &[u8] = b"#:,= \t\r\n";

impl Lexer<'_> {
    /// A command with its arguments, blanks between them made one.
    pub(in super::super) fn command(&mut self) -> Option<String> {
        self.blanks();
        let mut command = Vec::new();
        match self.rest() {
            [b'/', ..] => self.path(&mut command)?,
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
        let mut first = true;
        loop {
            let blanks = self.blanks();
            match self.peek() {
                None => break,
                Some(byte) if ENDS.contains(&byte) => break,
                Some(_) if blanks || first => command.push(b' '),
                Some(_) => {}
            }
            first = false;
            match self.peek() {
                Some(b'^') if blanks => self.pattern(&mut command)?,
                _ => self.argument(&mut command)?,
            }
        }
        // What a NUL in it makes of a command is not followed.
        let whole = memchr::memchr(0, &command).is_none();
        whole.then(|| String::from_utf8_lossy(&command).into_owned())
    }

    /// A path; `None` where a backslash stands before what it may not (PATH of toke.l).
    pub(super) fn path(&mut self, path: &mut Vec<u8>) -> Option<()> {
        while let Some(byte) = self.peek() {
            let escaped = self.peek_at(1).filter(|_| byte == b'\\');
            match escaped {
                Some(escaped) if b",:= \t#".contains(&escaped) => {
                    path.push(escaped);
                    self.advance(2);
                }
                _ if byte == b'\\' => return self.clone().blanks().then_some(()),
                _ if PATH_ENDS.contains(&byte) => break,
                _ => {
                    path.push(byte);
                    self.advance(1);
                }
            }
        }
        Some(())
    }

    /// Characters of an argument. Signs of patterns keep their backslash; `None` where sudo knows nothing of one
    /// (GOTCMND of toke.l).
    fn argument(&mut self, command: &mut Vec<u8>) -> Option<()> {
        while let Some(byte) = self.peek() {
            match (byte, self.peek_at(1)) {
                (b'\\', Some(b'*' | b'?' | b'[' | b']' | b'!' | b'^')) => {
                    command.extend_from_slice(bytes::first(self.rest(), 2));
                    self.advance(2);
                }
                // The line goes on.
                (b'\\', _) if self.clone().blanks() => break,
                (b'\\', Some(escaped)) if b"\\:,= \t#".contains(&escaped) => {
                    command.push(escaped);
                    self.advance(2);
                }
                (b'\\', _) => return None,
                (b'#' | b':' | b',' | b' ' | b'\t' | b'\r' | b'\n', _) => break,
                (byte, _) => {
                    command.push(byte);
                    self.advance(1);
                }
            }
        }
        Some(())
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
}
