//! Reading a manifest so that what was verified is what is read, in memory that does not grow with it.
//!
//! [`Measured`] reads the file once and keeps a digest for each 64 KiB block; the seal is judged on that
//! reading. [`Manifest::parse`] checks every line and keeps each block's first path. Every later read
//! goes through a reader of lines that refuses a block that is not the one that was measured.

mod amendment;
mod cursor;
mod head;
mod lines;
mod order;

pub use cursor::Cursor;

use super::header::Header;
use super::{Entry, line};
use agent_core::bytes;
use agent_core::error::{Error, Result};
use agent_core::os::read::fill_at;
use lines::Lines;
use order::Order;
use sha2::{Digest as _, Sha512};
use sha256_lanes::{Path as Kernel, Stream, digest_many, update_many};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is hashed and read at a time.
const BLOCK: usize = 64 * 1024;
const BLOCK_BYTES: u64 = BLOCK as u64;

/// A manifest file, measured and not yet parsed.
#[derive(Debug)]
pub struct Measured {
    file: File,
    path: PathBuf,
    blocks: Vec<[u8; 32]>,
    size: u64,
    /// Whether these bytes were found to be sealed: others in their place are not trusted, rather than unusable.
    pub sealed: bool,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// SHA-512 of the whole file, if it was asked for.
    pub sha512: Option<[u8; 64]>,
}

impl Measured {
    /// Reads the whole file once. `path` is for errors; more than `limit` bytes are one; `sha512` says whether a
    /// seal needs that digest.
    pub fn new(file: File, path: &Path, limit: u64, sha512: bool) -> Result<Measured> {
        let fault = |error| Error::in_file(path, format!("cannot be read: {error}"));
        let too_large = || Error::in_file(path, format!("is larger than {limit} bytes"));
        // A file with a hole has a length at once.
        if file.metadata().map_err(fault)?.len() > limit {
            return Err(too_large());
        }
        let kernel = Kernel::detected();
        let mut whole = Stream::new();
        let mut wide = sha512.then(Sha512::new);
        let mut blocks = Vec::new();
        let mut size = 0;
        let mut buffer = vec![0; BLOCK];
        loop {
            let length = fill_at(&file, &mut buffer, size).map_err(fault)?;
            let block = bytes::first(&buffer, length);
            if length == 0 {
                break;
            }
            // Side by side the two take little longer than one.
            let mut alone = Stream::new();
            update_many(kernel, &mut [(&mut whole, block), (&mut alone, block)]);
            blocks.push(alone.finish());
            if let Some(wide) = &mut wide {
                wide.update(block);
            }
            size = size.saturating_add(length as u64);
            if size > limit {
                return Err(too_large());
            }
        }
        Ok(Measured {
            file,
            path: path.to_owned(),
            blocks,
            size,
            sealed: false,
            sha256: whole.finish(),
            sha512: wide.map(|wide| wide.finalize().into()),
        })
    }
}

/// A manifest of which every line has been checked.
#[derive(Debug)]
pub struct Manifest {
    measured: Measured,
    header: Header,
    /// Where the first entry starts: byte and line.
    start: Mark,
    /// The first entry that starts in each block, where one does.
    marks: Vec<(Mark, Box<[u8]>)>,
    entries: u64,
}

/// A place in the file: a byte, and the number of the line that starts there.
#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: u64,
    line: u64,
}

impl Manifest {
    /// Checks every line: header, order, parents, end.
    pub fn parse(measured: Measured) -> Result<Manifest> {
        let mut lines = Lines::new(&measured, Mark { offset: 0, line: 1 });
        let header = head::read(&mut lines)?;
        let start = lines.mark();
        let mut marks: Vec<(Mark, Box<[u8]>)> = Vec::new();
        let mut walk = Order::new(&header);
        let mut entries: u64 = 0;
        let mut ended = false;
        let mut spare = Vec::new();
        loop {
            let mark = lines.mark();
            let Some(text) = lines.next()? else { break };
            if ended {
                return Err(lines.error("expected nothing behind the line `# entries`"));
            }
            if let Some(count) = text.strip_prefix(b"# entries ") {
                if count != entries.to_string().as_bytes() {
                    let message =
                        format!("expected `# entries {entries}`: an entry is missing or was added");
                    return Err(lines.error(message));
                }
                ended = true;
                continue;
            }
            let entry = line::parse_into(text, spare).map_err(|message| lines.error(message))?;
            walk.check(&entry).map_err(|message| lines.error(message))?;
            entries = entries.saturating_add(1);
            let block = |offset: u64| offset / BLOCK_BYTES;
            if marks
                .last()
                .is_none_or(|(last, _)| block(last.offset) < block(mark.offset))
            {
                marks.push((mark, entry.path.clone().into_boxed_slice()));
            }
            spare = entry.path;
        }
        if !ended {
            return Err(lines
                .error("the file ends without the line `# entries`: it was cut short")
                .help("restore it from where the image was baked"));
        }
        Ok(Manifest {
            measured,
            header,
            start,
            marks,
            entries,
        })
    }

    /// What stands before the first entry.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether nothing is recorded; [`Manifest::parse`] refuses such a file.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.measured.size
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> [u8; 32] {
        self.measured.sha256
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.measured.path
    }

    /// All entries in order.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            lines: Lines::new(&self.measured, self.start),
            failed: false,
        }
    }

    /// The entry of that path, in O(log n): one or two blocks are read.
    pub fn find(&self, path: &[u8]) -> Result<Option<Entry>> {
        let mut cursor = self.cursor();
        cursor.seek(path)?;
        Ok(cursor.take()?.filter(|entry| entry.path == path))
    }

    /// A reader that jumps from path to path in O(log n).
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self)
    }

    /// Copies the file's verified bytes.
    pub fn copy_to(&self, out: &mut dyn std::io::Write) -> Result<std::io::Result<()>> {
        for number in 0..self.measured.blocks.len() {
            let block = self.measured.blocks(number, 1)?;
            if let Err(error) = out.write_all(&block) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

impl Measured {
    /// So many blocks from that number on, fewer at the end, if they still are those that were measured.
    fn blocks(&self, first: usize, most: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.push_blocks(first, most, &mut bytes)?;
        Ok(bytes)
    }

    /// Appends them to `into`; how many they were.
    fn push_blocks(&self, first: usize, most: usize, into: &mut Vec<u8>) -> Result<usize> {
        let offset = (first as u64).saturating_mul(BLOCK_BYTES);
        let wanted = usize::try_from(self.size.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(most.saturating_mul(BLOCK));
        let start = into.len();
        into.resize(start.saturating_add(wanted), 0);
        let room = into.get_mut(start..).unwrap_or_default();
        let length = fill_at(&self.file, room, offset)
            .map_err(|error| Error::in_file(&self.path, format!("cannot be read: {error}")))?;
        let mut found = Vec::new();
        let blocks: Vec<&[u8]> = bytes::first(room, length).chunks(BLOCK).collect();
        digest_many(Kernel::detected(), &blocks, &mut found);
        let expected = self.blocks.iter().skip(first);
        if length != wanted
            || !found
                .iter()
                .zip(expected)
                .all(|(found, wanted)| found == wanted)
        {
            let message = format!(
                "changed while it was in use (bytes {offset} to {}): what was verified is not what is there now",
                offset.saturating_add(wanted as u64)
            );
            let error = Error::in_file(&self.path, message)
                .help("find out who writes to it; then run again");
            return Err(match self.sealed {
                true => error.untrusted(),
                false => error,
            });
        }
        Ok(found.len())
    }
}

/// The entries of a [`Manifest`], in order. Ends after the first error.
#[derive(Debug)]
pub struct Entries<'a> {
    lines: Lines<'a>,
    failed: bool,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.failed {
            return None;
        }
        let result = match self.lines.next() {
            Ok(Some(text)) if text.starts_with(b"#") => return None,
            Ok(Some(text)) => line::parse(text).map_err(|message| self.lines.error(message)),
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        self.failed = result.is_err();
        Some(result)
    }
}

#[cfg(test)]
mod tests;
