//! What reads: the page cache left as it was, the pace kept, bytes counted.

use crate::files::pace::Pace;
use crate::files::probe::{OpenFile, Unseen, unreadable};
use crate::files::remote::Pulse;
use agent_core::os::read::{FileReader, Piece};
use agent_core::task;
use std::os::fd::AsFd;
use std::sync::Arc;

/// What is asked for ahead of a large file that is not cached. A device that takes a millisecond for each request has that
/// many of them at work at once, instead of one.
// Own bound: of what lies in the page cache until it is digested.
const AHEAD: usize = 512 * 1024;

/// Reads for one looker.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) reader: FileReader,
    pub(super) pace: Option<Pace>,
    /// Told of each piece that was read, on a helper thread.
    pub(super) pulse: Option<Arc<Pulse>>,
    /// Bytes read so far to be digested.
    pub(super) bytes: u64,
    /// Where what is asked for ahead would go, were it cached: of what is not, nothing comes there, and it takes no memory.
    ahead: Vec<u8>,
}

impl Hands {
    pub(super) fn new(pace: Option<&Pace>) -> Hands {
        Hands {
            reader: FileReader::default(),
            pace: pace.cloned(),
            pulse: None,
            bytes: 0,
            ahead: Vec::new(),
        }
    }

    /// Has the kernel fetch what of a file is not cached from `offset` on, [`AHEAD`] bytes at most, and waits for nothing.
    /// Returns up to where. Its own readahead brings as little as a reader takes at a time, and each of that is waited for.
    pub(super) fn ask_ahead(&mut self, opened: &OpenFile, offset: u64) -> u64 {
        let left = opened.before.size.saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(AHEAD).min(AHEAD);
        // A pace is the disk's as well: what is asked for is not paid for before it is read.
        if self.pace.is_some() {
            return offset + length as u64;
        }
        if self.ahead.is_empty() {
            self.ahead = vec![0; AHEAD];
        }
        let fd = opened.file.as_fd();
        // Whoever reads it there says what is wrong with it.
        self.reader
            .cached_at(fd, &mut self.ahead[..length], offset)
            .unwrap_or_default();
        offset + length as u64
    }

    /// Counts, and waits where the pace says so.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        task::step();
        match (&self.pulse, &self.pace) {
            (None, None) => {}
            (None, Some(pace)) => pace.pay(bytes),
            (Some(pulse), None) => pulse.beat(),
            (Some(pulse), Some(pace)) => pulse.pause(|| pace.pay(bytes)),
        }
    }

    /// Reads what is missing of a small file, of which `filled` bytes are there.
    pub(super) fn fill(
        &mut self,
        opened: &OpenFile,
        buffer: &mut [u8],
        mut filled: usize,
    ) -> Result<(), Unseen> {
        let mut left_behind = None;
        let mut outcome = Ok(());
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            match self
                .reader
                .read_at(opened.file.as_fd(), rest, filled as u64)
            {
                Ok(Piece { length: 0, .. }) => outcome = Err(Unseen::Changing),
                Ok(piece) => {
                    if piece.left_behind && left_behind.is_none() {
                        left_behind = Some(filled as u64);
                    }
                    filled += piece.length;
                    continue;
                }
                Err(errno) => outcome = Err(unreadable(opened, errno)),
            }
            break;
        }
        if outcome.is_ok() {
            self.count(buffer.len());
        }
        drop_left(opened, left_behind);
        outcome
    }

    /// Reads a small file that was not cached.
    pub(super) fn fetch(&mut self, opened: &OpenFile, buffer: &mut [u8]) -> Result<(), Unseen> {
        if buffer.is_empty() {
            return Ok(());
        }
        let piece = self
            .reader
            .fetch_at(opened.file.as_fd(), buffer, 0)
            .map_err(|errno| unreadable(opened, errno))?;
        let filled = self.fill(opened, buffer, piece.length);
        drop_left(opened, piece.left_behind.then_some(0));
        filled
    }
}

/// Drops from the page cache what a scan has left there of a file, from that byte on.
pub(super) fn drop_left(opened: &OpenFile, from: Option<u64>) {
    if let Some(offset) = from {
        FileReader::drop_from(opened.file.as_fd(), offset);
    }
}
