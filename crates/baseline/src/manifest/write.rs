//! Writing a manifest, entry by entry in order.

use super::header::Header;
use super::{Entry, line};
use crate::amendment::header as amendment;
use agent_core::paths;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::io::{self, Write};

/// Writes the header, then entries, then the line that shows that none is missing.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    buffer: Vec<u8>,
    hasher: Sha256,
    last: Option<Vec<u8>>,
    entries: u64,
}

/// Written in pieces of this size.
const CHUNK: usize = 64 * 1024;

impl<W: Write> Writer<W> {
    /// Starts with the header.
    pub fn new(out: W, header: &Header) -> Writer<W> {
        Writer::behind(out, header.to_bytes())
    }

    /// Starts with the header of an amendment.
    pub fn amendment(out: W, header: &amendment::Header) -> Writer<W> {
        Writer::behind(out, header.to_bytes())
    }

    pub(super) fn behind(out: W, buffer: Vec<u8>) -> Writer<W> {
        Writer {
            out,
            buffer,
            hasher: Sha256::new(),
            last: None,
            entries: 0,
        }
    }

    /// Appends an entry. One out of order is refused: nobody could read the file back.
    pub fn push(&mut self, entry: &Entry) -> io::Result<()> {
        let in_order = match &self.last {
            None => entry.path.is_empty(),
            Some(last) => paths::compare(last, &entry.path) == Ordering::Less,
        };
        if !in_order {
            return Err(io::Error::other("entries out of order"));
        }
        line::push(&mut self.buffer, entry);
        self.last = Some(entry.path.clone());
        self.entries = self.entries.saturating_add(1);
        if self.buffer.len() >= CHUNK {
            self.drain()?;
        }
        Ok(())
    }

    /// Ends the file; returns the number of entries and the SHA-256 of all that was written.
    pub fn finish(mut self) -> io::Result<(u64, [u8; 32])> {
        writeln!(self.buffer, "# entries {}", self.entries)?;
        self.drain()?;
        self.out.flush()?;
        Ok((self.entries, self.hasher.finalize().into()))
    }

    /// Ends the file and gives back what it was written to.
    #[cfg(test)]
    pub(crate) fn into_bytes(mut self) -> io::Result<W> {
        writeln!(self.buffer, "# entries {}", self.entries)?;
        self.drain()?;
        Ok(self.out)
    }

    fn drain(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}
