//! The lines of a manifest, in the order of the file or from a known place on.

use super::{BLOCK_BYTES, Mark, Measured};
use agent_core::bounds;
use agent_core::bytes;
use agent_core::error::{Error, Result};

/// As many blocks are read together by who reads on: their digests are computed side by side, three where the processor
/// has SHA instructions.
const TOGETHER: usize = 3;

/// The lines of a measured file, each block checked as it is read.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    measured: &'a Measured,
    next_block: usize,
    /// How many blocks are read next: one for who looks for a single line.
    together: usize,
    buffer: Vec<u8>,
    consumed: usize,
    /// Of the line that comes next.
    mark: Mark,
    /// Of the line that was read last.
    pub(super) line: u64,
    skip: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(measured: &'a Measured, mark: Mark) -> Lines<'a> {
        Lines {
            measured,
            next_block: usize::try_from(mark.offset / BLOCK_BYTES).unwrap_or(usize::MAX),
            together: 1,
            buffer: Vec::new(),
            consumed: 0,
            mark,
            line: mark.line,
            skip: usize::try_from(mark.offset % BLOCK_BYTES).unwrap_or(0),
        }
    }

    /// Where the next line starts.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// An error at the line that was read last.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::in_file(&self.measured.path, message).at_line(self.line)
    }

    /// An error where the next line stands further into the file than any header goes.
    pub(super) fn within_header(&self) -> Result<()> {
        match self.mark.offset > bounds::HEADER {
            true => Err(self.error(format!(
                "more than {} bytes stand before the first entry",
                bounds::HEADER
            ))),
            false => Ok(()),
        }
    }

    /// The next line without its newline, left in place.
    pub(super) fn peek(&mut self) -> Result<Option<&[u8]>> {
        let end = self.fill()?;
        Ok(end.and_then(|end| self.buffer.get(self.consumed..end)))
    }

    /// The next line without its newline; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        let Some(end) = self.fill()? else {
            return Ok(None);
        };
        let start = std::mem::replace(&mut self.consumed, end.saturating_add(1));
        let text = self.buffer.get(start..end).unwrap_or_default();
        self.line = self.mark.line;
        self.mark.line = self.mark.line.saturating_add(1);
        let passed = (text.len() as u64).saturating_add(1);
        self.mark.offset = self.mark.offset.saturating_add(passed);
        if memchr::memchr(0, text).is_some() {
            return Err(self.error("holds a NUL byte"));
        }
        if text.last() == Some(&b'\r') {
            return Err(self
                .error("ends in CR LF")
                .help("somebody opened it in an editor that writes DOS line ends"));
        }
        Ok(Some(text))
    }

    /// Makes sure that a whole line is in the buffer; returns where its newline is.
    pub(super) fn fill(&mut self) -> Result<Option<usize>> {
        let mut searched = self.consumed;
        loop {
            let found = memchr::memchr(b'\n', bytes::behind(&self.buffer, searched));
            let end = found.map(|i| searched.saturating_add(i));
            let length = end
                .unwrap_or(self.buffer.len())
                .saturating_sub(self.consumed);
            if length > bounds::MANIFEST_LINE {
                self.line = self.mark.line;
                return Err(self.error(format!("longer than {} bytes", bounds::MANIFEST_LINE)));
            }
            if end.is_some() {
                return Ok(end);
            }
            self.line = self.mark.line;
            if self.next_block >= self.measured.blocks.len() {
                if self.consumed < self.buffer.len() {
                    return Err(self
                        .error("the file ends in the middle of a line: it was cut short")
                        .help("restore it from where the image was baked"));
                }
                return Ok(None);
            }
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
            searched = self.buffer.len();
            let (first, together) = (self.next_block, self.together);
            let more = &mut self.buffer;
            let pushed = self.measured.push_blocks(first, together, more)?;
            self.next_block = first.saturating_add(pushed);
            self.together = TOGETHER;
            // Of the first block alone, before anything was read.
            self.consumed = std::mem::take(&mut self.skip).min(self.buffer.len());
            searched = searched.max(self.consumed);
        }
    }
}
