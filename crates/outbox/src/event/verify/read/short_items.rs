//! JSON of which no item is longer than an event can be: whoever made the file must not fill the memory of who reads it.

use agent_core::bounds;
use agent_core::bytes;
use std::io::{self, BufRead, Read};

/// Passes a file on, and ends in an error within an item that is too long.
pub(super) struct ShortItems<R> {
    file: R,
    /// Brackets and braces that are open.
    depth: usize,
    /// Those that are open around items: a list of them, or that within an object.
    around: usize,
    in_string: bool,
    escaped: bool,
    /// Bytes of the item so far.
    length: usize,
}

impl<R> ShortItems<R> {
    pub(super) fn new(file: R) -> ShortItems<R> {
        ShortItems {
            file,
            depth: 0,
            around: 1,
            in_string: false,
            escaped: false,
            length: 0,
        }
    }

    fn see(&mut self, byte: u8) {
        self.length = self.length.saturating_add(1);
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => {
                if self.depth == 0 {
                    self.around = if byte == b'{' { 2 } else { 1 };
                }
                self.depth = self.depth.saturating_add(1);
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b',' => {}
            _ => return,
        }
        if self.depth <= self.around && !self.in_string {
            self.length = 0;
        }
    }
}

impl<R: BufRead> Read for ShortItems<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        for byte in bytes::first(buffer, length) {
            self.see(*byte);
        }
        match self.length > bounds::LOG_ITEM {
            true => Err(io::Error::other("it holds something longer than any event")),
            false => Ok(length),
        }
    }
}

/// For what stands between documents.
impl<R: BufRead> BufRead for ShortItems<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.file.consume(amount);
    }
}
