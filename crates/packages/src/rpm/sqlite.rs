//! Reading one table of a SQLite file (sqlite.org/fileformat2.html), for files that nobody vouches for.
//!
//! Why not SQLite itself: it is a quarter million lines of C with a query language, made to be given files by
//! friends; what is needed here is a walk over one b-tree. Every length is checked, every page is counted, nothing is
//! written, no lock is taken. A write-ahead log beside the file is read with it, to its last whole transaction.

mod record;

use agent_core::bounds;
use agent_core::bytes;
pub(super) use record::{Column, column};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Deeper than any tree of 2^32 pages.
// Own bound: the format's.
const MAX_DEPTH: usize = 20;
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    file: File,
    page_size: usize,
    /// What of a page holds content.
    usable: usize,
    pages: u32,
    log: Option<Log>,
}

/// A write-ahead log.
#[derive(Debug)]
struct Log {
    file: File,
    /// Page to the place of its newest contents.
    pages: HashMap<u32, u64>,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the database is damaged: {what}"),
    )
}

/// The same of one page.
fn bad_page(number: u32, what: &str) -> io::Error {
    bad(&format!("page {number}: {what}"))
}

/// Pages that belong to something already: each belongs to one thing, or somebody made them name one another.
type Taken = HashSet<u32>;

fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => bad("it is cut off"),
        _ => error,
    }
}

fn be16(bytes: &[u8], at: usize) -> io::Result<u16> {
    let raw = bytes.get(at..).and_then(<[u8]>::first_chunk);
    raw.map(|raw| u16::from_be_bytes(*raw))
        .ok_or_else(|| bad("it is cut off"))
}

fn be32(bytes: &[u8], at: usize) -> io::Result<u32> {
    let raw = bytes.get(at..).and_then(<[u8]>::first_chunk);
    raw.map(|raw| u32::from_be_bytes(*raw))
        .ok_or_else(|| bad("it is cut off"))
}

/// A number of one to nine bytes, and how many they were.
fn varint(bytes: &[u8]) -> io::Result<(u64, usize)> {
    let mut value = 0;
    for (byte, length) in bytes.iter().zip(1..=9) {
        if length == 9 {
            return Ok((value << 8 | u64::from(*byte), length));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, length));
        }
    }
    Err(bad("a number is cut off"))
}

impl Database {
    /// Takes the database file, and the file `-wal` beside it where there is one with anything in it.
    pub(super) fn open(file: File, log: Option<File>) -> io::Result<Database> {
        let mut header = [0; 100];
        file.read_exact_at(&mut header, 0).map_err(cut_off)?;
        if &header[..16] != b"SQLite format 3\0" {
            return Err(io::Error::other("it is no SQLite database"));
        }
        let page_size = match be16(&header, 16)? {
            1 => 65536,
            size if size >= 512 && size.is_power_of_two() => usize::from(size),
            _ => return Err(bad("an impossible page size")),
        };
        if header[18] > 2 || header[19] > 2 {
            return Err(io::Error::other(
                "it is of a version that is not known here",
            ));
        }
        let usable = page_size.saturating_sub(usize::from(header[20]));
        if usable < 480 {
            return Err(bad("an impossible page size"));
        }
        let log = match log {
            Some(log) => Log::read(log, page_size)?,
            None => None,
        };
        let length = file.metadata()?.len();
        let pages = length.checked_div(page_size as u64).unwrap_or(0);
        let mut pages = u32::try_from(pages).unwrap_or(u32::MAX);
        let newest = log.as_ref().and_then(|log| log.pages.keys().max().copied());
        pages = pages.max(newest.unwrap_or(0));
        Ok(Database {
            file,
            page_size,
            usable,
            pages,
            log,
        })
    }

    /// The contents of a page, counted from 1.
    fn page(&self, number: u32, page: &mut Vec<u8>) -> io::Result<()> {
        let Some(before) = number.checked_sub(1).filter(|_| number <= self.pages) else {
            return Err(bad_page(number, "it is not there"));
        };
        page.resize(self.page_size, 0);
        match self
            .log
            .as_ref()
            .and_then(|log| Some((log, *log.pages.get(&number)?)))
        {
            Some((log, at)) => log.file.read_exact_at(page, at).map_err(cut_off)?,
            None => {
                let at = u64::from(before).saturating_mul(self.page_size as u64);
                self.file.read_exact_at(page, at).map_err(cut_off)?;
            }
        }
        page.truncate(self.usable);
        Ok(())
    }

    /// Hands each row of the table on: its number and its record. A row that is handed on is whole.
    pub(super) fn rows(
        &self,
        table: &str,
        each: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.walk(self.root(table)?, each)
    }

    /// The record of one row, `None` where the table has no row of that number. Found in O(log n).
    pub(super) fn row(&self, table: &str, wanted: u64) -> io::Result<Option<Vec<u8>>> {
        let mut number = self.root(table)?;
        let mut page = Vec::new();
        for _ in 0..=MAX_DEPTH {
            self.page(number, &mut page)?;
            let node = Node::parse(&page, number)?;
            let Some(last) = node.last else {
                for cell in 0..node.cells {
                    let cell = node.cell(&page, cell)?;
                    let (length, row, local) = leaf(cell)?;
                    if row == wanted {
                        let (mut payload, mut taken) = (Vec::new(), Taken::new());
                        self.payload(local, length, &mut taken, &mut payload)?;
                        return Ok(Some(payload));
                    }
                }
                return Ok(None);
            };
            // Each cell has a child, and the highest number below it.
            number = last;
            for cell in 0..node.cells {
                let cell = node.cell(&page, cell)?;
                let (highest, _) = varint(cell.get(4..).unwrap_or_default())?;
                if wanted <= highest {
                    number = be32(cell, 0)?;
                    break;
                }
            }
        }
        Err(bad("its pages go round in a circle"))
    }

    /// The first page of the table.
    fn root(&self, table: &str) -> io::Result<u32> {
        let mut root = None;
        self.walk(1, &mut |_, record| {
            // type, name, tbl_name, rootpage, sql
            let kind = column(record, 0)?;
            let name = column(record, 1)?;
            if kind == Column::Text(b"table")
                && name == Column::Text(table.as_bytes())
                && let Column::Integer(page) = column(record, 3)?
            {
                root = u32::try_from(page).ok();
            }
            Ok(())
        })?;
        root.ok_or_else(|| io::Error::other(format!("it has no table {table}")))
    }

    /// Walks the leaves of a table's b-tree from left to right.
    fn walk(
        &self,
        root: u32,
        each: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        // Pages still to be looked at, the next one last, with their depth.
        let mut pending = vec![(root, 0_usize)];
        let mut taken = Taken::new();
        let mut last_row = None;
        let mut page = Vec::new();
        let mut payload = Vec::new();
        while let Some((number, depth)) = pending.pop() {
            if !taken.insert(number) || depth > MAX_DEPTH {
                return Err(bad_page(number, "its pages go round in a circle"));
            }
            self.page(number, &mut page)?;
            let node = Node::parse(&page, number)?;
            if let Some(last) = node.last {
                let below = depth.saturating_add(1);
                pending.push((last, below));
                for cell in (0..node.cells).rev() {
                    pending.push((be32(node.cell(&page, cell)?, 0)?, below));
                }
                if pending.len() > self.pages as usize {
                    return Err(bad("its pages go round in a circle"));
                }
                continue;
            }
            // What the cells take of the page, with their places: no two of them have a byte in common.
            let mut room = page.len().saturating_sub(node.pointers);
            for cell in 0..node.cells {
                let cell = node.cell(&page, cell)?;
                let (length, row, local) = leaf(cell)?;
                // Numbers are those of SQLite: with a sign.
                let order = row.cast_signed();
                if last_row
                    .replace(order)
                    .is_some_and(|before| before >= order)
                {
                    return Err(bad_page(number, "its rows are out of order"));
                }
                let behind = self.payload(local, length, &mut taken, &mut payload)?;
                room = room
                    .checked_sub(2)
                    .and_then(|room| room.checked_sub(cell.len().checked_sub(behind.len())?))
                    .ok_or_else(|| bad_page(number, "its cells lie over one another"))?;
                each(row, &payload)?;
            }
        }
        Ok(())
    }

    /// A cell's record: what lies in the page, then the chain of overflow pages. Returns what lies in the page behind it.
    fn payload<'a>(
        &self,
        local: &'a [u8],
        length: u64,
        taken: &mut Taken,
        out: &mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > bounds::RPM_HEADER {
            return Err(bad("a record that is larger than any package's header"));
        }
        let (here, behind) = local
            .split_at_checked(in_page(self.usable, length))
            .ok_or_else(|| bad("a record outside its page"))?;
        out.clear();
        out.extend_from_slice(here);
        if here.len() == length {
            return Ok(behind);
        }
        let mut next = be32(behind, 0)?;
        let mut page = Vec::new();
        // The record's length bounds the chain, however its pages are linked.
        while out.len() < length {
            if !taken.insert(next) {
                return Err(bad_page(next, "it belongs to two things"));
            }
            self.page(next, &mut page)?;
            next = be32(&page, 0)?;
            let rest = length.saturating_sub(out.len());
            out.extend_from_slice(bytes::first(bytes::behind(&page, 4), rest));
        }
        Ok(bytes::behind(behind, 4))
    }
}

/// Of a leaf's cell, which begins with them: the length of its record, its row, and what of the page lies behind.
fn leaf(cell: &[u8]) -> io::Result<(u64, u64, &[u8])> {
    let (length, used) = varint(cell)?;
    let behind = bytes::behind(cell, used);
    let (row, used) = varint(behind)?;
    Ok((length, row, bytes::behind(behind, used)))
}

/// How many bytes of a record of that length lie in the page of its cell ("B-tree Pages").
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a page has 480 usable bytes at least, 65536 at most, and what is longer than `most` is longer than `least`"
)]
fn in_page(usable: usize, length: usize) -> usize {
    let usable = usable.clamp(480, 65_536);
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (usable - 4);
    if fitting <= most { fitting } else { least }
}

/// What a page of a table's b-tree says of itself ("B-tree Pages").
struct Node {
    /// Of an inner page, the child behind all cells.
    last: Option<u32>,
    cells: usize,
    /// Where the places of the cells stand.
    pointers: usize,
}

impl Node {
    fn parse(page: &[u8], number: u32) -> io::Result<Node> {
        // The first page begins with the header of the file.
        let start = if number == 1 { 100 } else { 0 };
        let kind = *page.get(start).ok_or_else(|| bad("an empty page"))?;
        let header = bytes::behind(page, start);
        let (last, length) = match kind {
            0x05 => (Some(be32(header, 8)?), 12_usize),
            0x0d => (None, 8),
            _ => return Err(bad_page(number, "it is of no table")),
        };
        Ok(Node {
            last,
            cells: usize::from(be16(header, 3)?),
            pointers: length.saturating_add(start),
        })
    }

    /// The page from the cell on.
    fn cell<'a>(&self, page: &'a [u8], cell: usize) -> io::Result<&'a [u8]> {
        let place = self.pointers.saturating_add(cell.saturating_mul(2));
        let at = usize::from(be16(page, place)?);
        page.get(at..).ok_or_else(|| bad("a cell outside its page"))
    }
}

impl Log {
    /// The frames up to the last whole transaction (fileformat2, "The WAL File"); `None` for an empty log.
    fn read(file: File, page_size: usize) -> io::Result<Option<Log>> {
        let length = file.metadata()?.len();
        if length < LOG_HEADER as u64 {
            return Ok(None);
        }
        if length > bounds::RPM_LOG {
            return Err(io::Error::other("its write-ahead log is larger than 1 GiB"));
        }
        let mut header = [0; LOG_HEADER];
        file.read_exact_at(&mut header, 0).map_err(cut_off)?;
        let big_endian = match be32(&header, 0)? {
            0x377f_0682 => false,
            0x377f_0683 => true,
            // What was never begun, as SQLite sees it.
            _ => return Ok(None),
        };
        let mut sum = Sum {
            big_endian,
            words: (0, 0),
        };
        sum.add(&header[..24]);
        let sound = sum.words == (be32(&header, 24)?, be32(&header, 28)?);
        if !sound || be32(&header, 8)? as usize != page_size {
            return Ok(None);
        }
        let salt = &header[16..24];
        let mut frame = vec![0; FRAME_HEADER.saturating_add(page_size)];
        let mut pages = HashMap::new();
        let mut open = Vec::new();
        let mut at = LOG_HEADER as u64;
        loop {
            let end = at.saturating_add(frame.len() as u64);
            if end > length {
                break;
            }
            file.read_exact_at(&mut frame, at).map_err(cut_off)?;
            if frame.get(8..16) != Some(salt) {
                break;
            }
            sum.add(bytes::first(&frame, 8));
            sum.add(bytes::behind(&frame, FRAME_HEADER));
            if sum.words != (be32(&frame, 16)?, be32(&frame, 20)?) {
                break;
            }
            open.push((be32(&frame, 0)?, at.saturating_add(FRAME_HEADER as u64)));
            // The size of the database stands in the last frame of a transaction.
            if be32(&frame, 4)? != 0 {
                pages.extend(open.drain(..));
            }
            at = end;
        }
        Ok((!pages.is_empty()).then_some(Log { file, pages }))
    }
}

/// The running checksum of a log.
struct Sum {
    big_endian: bool,
    words: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let word = |raw: &[u8]| match raw.first_chunk() {
            Some(raw) if self.big_endian => u32::from_be_bytes(*raw),
            Some(raw) => u32::from_le_bytes(*raw),
            None => 0,
        };
        let (mut first, mut second) = self.words;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(word(pair)).wrapping_add(second);
            second = second
                .wrapping_add(word(bytes::behind(pair, 4)))
                .wrapping_add(first);
        }
        self.words = (first, second);
    }
}

#[cfg(test)]
mod tests;
