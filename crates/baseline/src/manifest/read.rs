//! Reading a manifest so that what was verified is what is read, in memory that does not grow with it.
//!
//! [`Measured`] reads the file once and keeps a digest for each 64 KiB block; the seal is judged on that
//! reading. [`Manifest::parse`] checks every line and keeps each block's first path. Every later read
//! goes through a reader of lines that refuses a block that is not the one that was measured.

mod amendment;
mod head;
mod lines;

use super::header::Header;
use super::{Entry, Role, line};
use crate::profile::path_rules::{Demand, PathRules, Position, Reach};
use agent_core::attributes::{AttributeSet, FileType};
use agent_core::error::{Error, Result};
use agent_core::paths::{self, split};
use lines::Lines;
use sha2::{Digest, Sha256, Sha512};
use std::cmp::Ordering;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What is hashed and read at a time.
const BLOCK: usize = 64 * 1024;

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
        let mut whole = Sha256::new();
        let mut wide = sha512.then(Sha512::new);
        let mut blocks = Vec::new();
        let mut size = 0;
        let mut buffer = vec![0; BLOCK];
        loop {
            let length = read_block(&file, size, &mut buffer).map_err(fault)?;
            let block = &buffer[..length];
            if length == 0 {
                break;
            }
            blocks.push(Sha256::digest(block).into());
            whole.update(block);
            if let Some(wide) = &mut wide {
                wide.update(block);
            }
            size += length as u64;
            if size > limit {
                return Err(Error::in_file(
                    path,
                    format!("is larger than {limit} bytes"),
                ));
            }
        }
        Ok(Measured {
            file,
            path: path.to_owned(),
            blocks,
            size,
            sealed: false,
            sha256: whole.finalize().into(),
            sha512: wide.map(|wide| wide.finalize().into()),
        })
    }
}

/// Fills the buffer from `offset`; less only at the end of the file.
fn read_block(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
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
        let mut walk = Order::new(&header.path_rules);
        let mut entries = 0;
        let mut ended = false;
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
            let entry = line::parse(text).map_err(|message| lines.error(message))?;
            walk.check(&entry).map_err(|message| lines.error(message))?;
            entries += 1;
            let block = |offset: u64| offset / BLOCK as u64;
            if marks
                .last()
                .is_none_or(|(last, _)| block(last.offset) < block(mark.offset))
            {
                marks.push((mark, entry.path.into_boxed_slice()));
            }
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
        Cursor {
            manifest: self,
            entries: self.entries(),
            ahead: None,
        }
    }

    /// Copies the file's verified bytes.
    pub fn copy_to(&self, out: &mut dyn std::io::Write) -> Result<std::io::Result<()>> {
        for number in 0..self.measured.blocks.len() {
            let block = self.measured.block(number)?;
            if let Err(error) = out.write_all(&block) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

/// Reads single entries of a [`Manifest`] and short runs of them. Paths are sought in order: what lies behind the
/// place that was reached is not found again.
#[derive(Debug)]
pub struct Cursor<'a> {
    manifest: &'a Manifest,
    entries: Entries<'a>,
    /// The entry that comes next.
    ahead: Option<Entry>,
}

impl Cursor<'_> {
    /// Goes to the first entry that is not before `path`.
    pub fn seek(&mut self, path: &[u8]) -> Result<()> {
        let is_before = |entry: &Entry| paths::compare(&entry.path, path) == Ordering::Less;
        if self.ahead.as_ref().is_some_and(|entry| !is_before(entry)) {
            return Ok(());
        }
        let marks = &self.manifest.marks;
        let after =
            marks.partition_point(|(_, first)| paths::compare(first, path) != Ordering::Greater);
        if let Some((mark, _)) = after.checked_sub(1).and_then(|i| marks.get(i))
            && mark.offset > self.entries.lines.mark().offset
        {
            self.entries.lines = Lines::new(&self.manifest.measured, *mark);
        }
        loop {
            self.ahead = self.entries.next().transpose()?;
            if !self.ahead.as_ref().is_some_and(is_before) {
                return Ok(());
            }
        }
    }

    /// The entry that comes next.
    pub fn peek(&mut self) -> Result<Option<&Entry>> {
        if self.ahead.is_none() {
            self.ahead = self.entries.next().transpose()?;
        }
        Ok(self.ahead.as_ref())
    }

    /// Takes the entry that comes next.
    pub fn take(&mut self) -> Result<Option<Entry>> {
        self.peek()?;
        Ok(self.ahead.take())
    }
}

impl Measured {
    /// The block of that number, if it still is the one that was measured.
    fn block(&self, number: usize) -> Result<Vec<u8>> {
        let offset = number as u64 * BLOCK as u64;
        let wanted = usize::try_from(self.size - offset)
            .unwrap_or(BLOCK)
            .min(BLOCK);
        let mut block = vec![0; wanted];
        let length = read_block(&self.file, offset, &mut block)
            .map_err(|error| Error::in_file(&self.path, format!("cannot be read: {error}")))?;
        let digest: [u8; 32] = Sha256::digest(&block[..length]).into();
        if length != wanted || self.blocks.get(number) != Some(&digest) {
            let message = format!(
                "changed while it was in use (bytes {offset} to {}): what was verified is not what is there now",
                offset + wanted as u64
            );
            let error = Error::in_file(&self.path, message)
                .help("find out who writes to it; then run again");
            return Err(match self.sealed {
                true => error.untrusted(),
                false => error,
            });
        }
        Ok(block)
    }
}

/// Checks that each entry follows the one before it, lies in a directory that stands before it, and is one
/// that the header's own rules reach: no walk would ever meet another.
struct Order<'a> {
    path_rules: &'a PathRules,
    last: Option<Vec<u8>>,
    /// Lengths of those prefixes of `last` that are directories, and where each stands in the rules.
    directories: Vec<(usize, Position)>,
    /// What an entry need not say although the rules demand it.
    spared: AttributeSet,
}

impl<'a> Order<'a> {
    fn new(path_rules: &'a PathRules) -> Order<'a> {
        Order {
            path_rules,
            last: None,
            directories: Vec::new(),
            spared: AttributeSet::NONE,
        }
    }

    fn check(&mut self, entry: &Entry) -> std::result::Result<(), String> {
        let path = &entry.path;
        let is_directory = entry.attributes.kind == FileType::Dir || entry.role == Role::Parent;
        let place = match &self.last {
            None if path.is_empty() => {
                self.is_complete(entry, self.path_rules.reach_root())?;
                self.path_rules.root()
            }
            None => return Err("expected the entry `.` first".into()),
            Some(last) => {
                match paths::compare(last, path) {
                    Ordering::Less => {}
                    Ordering::Equal => return Err("this path stands twice".into()),
                    Ordering::Greater => {
                        return Err(
                            "out of order: expected parents first, names in byte order".into()
                        );
                    }
                }
                let (parent, name) = split(path);
                if !last.starts_with(parent) {
                    return Err("its directory does not stand before it".into());
                }
                self.directories
                    .retain(|(length, _)| *length <= parent.len());
                let Some((_, position)) = self
                    .directories
                    .last()
                    .filter(|(length, _)| *length == parent.len())
                else {
                    return Err("its directory does not stand before it as a directory".into());
                };
                self.is_complete(entry, self.path_rules.reach(position, name))?;
                match is_directory {
                    true => self.path_rules.enter(position, name),
                    false => Position::default(),
                }
            }
        };
        if is_directory {
            self.directories.push((path.len(), place));
        }
        self.last = Some(path.clone());
        Ok(())
    }

    /// Whether an entry says all that the header demands of its path: one that is silent would hold for anything.
    fn is_complete(&self, entry: &Entry, reach: Reach) -> std::result::Result<(), String> {
        let demand = match reach {
            Reach::Covered(rule) => self.path_rules.rule(rule).map(|rule| rule.demand),
            Reach::Leads => Some(Demand::ANCESTOR),
            Reach::Excluded(_) | Reach::Outside => None,
        }
        .ok_or("the manifest's own header does not cover this path")?;
        let lacks = match entry.role {
            Role::Recorded => {
                let demanded = demand.attributes.without(self.spared);
                entry.attributes.lacks(demanded)
            }
            Role::Removed | Role::Parent | Role::Mount => AttributeSet::NONE,
        };
        match lacks.is_empty() {
            true => Ok(()),
            false => Err(format!("lacks {lacks}, which the header demands of it")),
        }
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
