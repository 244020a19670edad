//! Reading one table of a SQLite file (sqlite.org/fileformat2.html), for files that nobody vouches for.
//!
//! Why not SQLite itself: it is a quarter million lines of C with a query language, made to be given files by
//! friends; what is needed here is a walk over one b-tree. Every length is checked, every page is counted, nothing is
//! written, no lock is taken. A write-ahead log beside the file is read with it, to its last whole transaction.

use agent_core::bounds;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Deeper than any tree of 2^32 pages.
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
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Ok((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, at + 1));
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
        let usable = page_size - usize::from(header[20]);
        if usable < 480 {
            return Err(bad("an impossible page size"));
        }
        let log = match log {
            Some(log) => Log::read(log, page_size)?,
            None => None,
        };
        let length = file.metadata()?.len();
        let mut pages = u32::try_from(length / page_size as u64).unwrap_or(u32::MAX);
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
        if number == 0 || number > self.pages {
            return Err(bad("a page that is not there"));
        }
        page.resize(self.page_size, 0);
        match self
            .log
            .as_ref()
            .and_then(|log| Some((log, *log.pages.get(&number)?)))
        {
            Some((log, at)) => log.file.read_exact_at(page, at).map_err(cut_off)?,
            None => {
                let at = u64::from(number - 1) * self.page_size as u64;
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
                    let (length, used) = varint(cell)?;
                    let (row, more) = varint(&cell[used..])?;
                    if row == wanted {
                        let mut payload = Vec::new();
                        self.payload(&cell[used + more..], length, &mut payload)?;
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
        let mut pending = vec![(root, 0)];
        let mut seen = 0;
        let mut page = Vec::new();
        let mut payload = Vec::new();
        while let Some((number, depth)) = pending.pop() {
            seen += 1;
            if seen > self.pages || depth > MAX_DEPTH {
                return Err(bad("its pages go round in a circle"));
            }
            self.page(number, &mut page)?;
            let node = Node::parse(&page, number)?;
            if let Some(last) = node.last {
                pending.push((last, depth + 1));
                for cell in (0..node.cells).rev() {
                    pending.push((be32(node.cell(&page, cell)?, 0)?, depth + 1));
                }
                if pending.len() > self.pages as usize {
                    return Err(bad("its pages go round in a circle"));
                }
                continue;
            }
            for cell in 0..node.cells {
                let cell = node.cell(&page, cell)?;
                let (length, used) = varint(cell)?;
                let (row, more) = varint(&cell[used..])?;
                self.payload(&cell[used + more..], length, &mut payload)?;
                each(row, &payload)?;
            }
        }
        Ok(())
    }

    /// A cell's record: what lies in the page, then the chain of overflow pages.
    fn payload(&self, local: &[u8], length: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > bounds::RPM_HEADER {
            return Err(bad("a record of more than 64 MiB"));
        }
        let most = self.usable - 35;
        let here = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let fitting = least + (length - least) % (self.usable - 4);
            if fitting <= most { fitting } else { least }
        };
        out.clear();
        out.extend_from_slice(
            local
                .get(..here)
                .ok_or_else(|| bad("a record outside its page"))?,
        );
        if here == length {
            return Ok(());
        }
        let mut next = be32(local, here)?;
        let mut page = Vec::new();
        // The record's length bounds the chain, however its pages are linked.
        while out.len() < length {
            self.page(next, &mut page)?;
            next = be32(&page, 0)?;
            let rest = length - out.len();
            let content = &page[4..];
            out.extend_from_slice(&content[..rest.min(content.len())]);
        }
        Ok(())
    }
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
        let (last, pointers) = match kind {
            0x05 => (Some(be32(page, start + 8)?), start + 12),
            0x0d => (None, start + 8),
            _ => return Err(bad("a page that is of no table")),
        };
        Ok(Node {
            last,
            cells: usize::from(be16(page, start + 3)?),
            pointers,
        })
    }

    /// The page from the cell on.
    fn cell<'a>(&self, page: &'a [u8], cell: usize) -> io::Result<&'a [u8]> {
        let at = usize::from(be16(page, self.pointers + 2 * cell)?);
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
        let mut frame = vec![0; FRAME_HEADER + page_size];
        let mut pages = HashMap::new();
        let mut open = Vec::new();
        let mut at = LOG_HEADER as u64;
        while at + frame.len() as u64 <= length {
            file.read_exact_at(&mut frame, at).map_err(cut_off)?;
            if &frame[8..16] != salt {
                break;
            }
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEADER..]);
            if sum.words != (be32(&frame, 16)?, be32(&frame, 20)?) {
                break;
            }
            open.push((be32(&frame, 0)?, at + FRAME_HEADER as u64));
            // The size of the database stands in the last frame of a transaction.
            if be32(&frame, 4)? != 0 {
                pages.extend(open.drain(..));
            }
            at += frame.len() as u64;
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
            second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
        }
        self.words = (first, second);
    }
}

/// One column of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Column<'a> {
    /// NULL; of the row's own number, too.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, which no table here has.
    Other,
    /// Text, in the encoding of the database.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A column of a record, counted from 0 ("Record Format").
pub(super) fn column(record: &[u8], wanted: usize) -> io::Result<Column<'_>> {
    let (header, mut at) = varint(record)?;
    let header = usize::try_from(header).unwrap_or(usize::MAX);
    let mut content = header;
    for number in 0.. {
        if at >= header {
            // Columns that were added to the table later.
            return Ok(Column::Null);
        }
        let (kind, used) = varint(record.get(at..).unwrap_or_default())?;
        at += used;
        let length = match kind {
            0 | 8 | 9 => 0,
            1 => 1,
            2 => 2,
            3 => 3,
            4 => 4,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(bad("a column of no known kind")),
            kind => usize::try_from((kind - 12) / 2).unwrap_or(usize::MAX),
        };
        let end = content
            .checked_add(length)
            .ok_or_else(|| bad("a column outside its record"))?;
        if number < wanted {
            content = end;
            continue;
        }
        let bytes = record
            .get(content..end)
            .ok_or_else(|| bad("a column outside its record"))?;
        return Ok(match kind {
            0 => Column::Null,
            8 => Column::Integer(0),
            9 => Column::Integer(1),
            7 => Column::Other,
            1..=6 => {
                let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { -1 } else { 0 };
                Column::Integer(
                    bytes
                        .iter()
                        .fold(start, |value: i64, byte| value << 8 | i64::from(*byte)),
                )
            }
            kind if kind % 2 == 0 => Column::Blob(bytes),
            _ => Column::Text(bytes),
        });
    }
    Ok(Column::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    fn sqlite(directory: &Path, script: &str) {
        let status = Command::new("sqlite3")
            .arg(directory.join("db"))
            .arg(script)
            .current_dir(directory)
            .status();
        assert!(status.expect("sqlite3").success(), "{script}");
    }

    fn open(directory: &Path) -> io::Result<Database> {
        let log = File::open(directory.join("db-wal")).ok();
        Database::open(File::open(directory.join("db"))?, log)
    }

    /// Number and length of each blob, as our reader and as sqlite3 itself see them.
    fn seen(directory: &Path) -> io::Result<Vec<(u64, usize, u8)>> {
        let mut found = Vec::new();
        open(directory)?.rows("Packages", &mut |row, record| {
            if let Column::Blob(blob) = column(record, 1)? {
                found.push((row, blob.len(), blob.last().copied().unwrap_or(0)));
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn told(directory: &Path) -> Vec<(u64, usize, u8)> {
        let output = Command::new("sqlite3")
            .arg(directory.join("db"))
            .arg("SELECT hnum, length(blob), hex(substr(blob, -1)) FROM Packages ORDER BY hnum")
            .output()
            .expect("sqlite3");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| {
                let mut fields = line.split('|');
                let mut next = || fields.next().expect("a field");
                let (row, length) = (next().parse(), next().parse());
                let last = u8::from_str_radix(next(), 16).unwrap_or(0);
                (row.expect("a number"), length.expect("a number"), last)
            })
            .collect()
    }

    const TABLE: &str = "CREATE TABLE Other(a); CREATE TABLE Packages(hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);";

    #[test]
    fn as_sqlite_itself_reads_it() {
        for page in [512, 1024, 4096, 65536] {
            let directory = tempfile::tempdir().expect("a directory");
            let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO Packages SELECT i * 3, randomblob(1 + (i * i * 37) % 20000) FROM n;";
            sqlite(
                directory.path(),
                &format!(
                    "PRAGMA page_size={page}; {TABLE} {rows} DELETE FROM Packages WHERE hnum % 5 = 0;"
                ),
            );
            let ours = seen(directory.path()).expect("sound");
            assert_eq!(ours, told(directory.path()), "{page}");
            assert!(ours.len() > 300);
            // One row alone is the same as on the walk; one that was deleted is not there.
            let database = open(directory.path()).expect("sound");
            for number in 0..=1300 {
                let length = database.row("Packages", number).expect("sound").map(|row| {
                    match column(&row, 1).expect("sound") {
                        Column::Blob(blob) => blob.len(),
                        other => panic!("{other:?}"),
                    }
                });
                let walked = ours.iter().find(|(row, ..)| *row == number);
                assert_eq!(length, walked.map(|(_, length, _)| *length), "{number}");
            }
        }
    }

    /// A log that a killed writer left: what was committed counts, what was not does not.
    #[test]
    fn a_write_ahead_log_is_read_with_it() {
        let directory = tempfile::tempdir().expect("a directory");
        sqlite(
            directory.path(),
            &format!("PRAGMA journal_mode=WAL; {TABLE} INSERT INTO Packages VALUES(1, x'01');"),
        );
        // .shell runs while the connection is open: the log is copied before it is emptied.
        let mut child = Command::new("sqlite3")
            .arg(directory.path().join("db"))
            .current_dir(directory.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("sqlite3");
        let script = "PRAGMA wal_autocheckpoint=0;\nINSERT INTO Packages VALUES(2, randomblob(9000));\nUPDATE Packages SET blob = x'0203' WHERE hnum = 1;\nBEGIN; INSERT INTO Packages VALUES(3, randomblob(5000000));\n.shell cp db copy; cp db-wal copy-wal\nROLLBACK;\n";
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), script.as_bytes())
            .expect("it reads");
        assert!(child.wait().expect("it ends").success());
        let copy = tempfile::tempdir().expect("a directory");
        std::fs::rename(directory.path().join("copy"), copy.path().join("db")).expect("a copy");
        std::fs::rename(
            directory.path().join("copy-wal"),
            copy.path().join("db-wal"),
        )
        .expect("a copy");
        let ours = seen(copy.path()).expect("sound");
        assert_eq!(ours.len(), 2, "{ours:?}");
        assert_eq!(ours[0], (1, 2, 3));
        assert_eq!(ours, told(copy.path()));
    }

    /// Whatever a damaged file holds: no panic, no end that never comes.
    #[test]
    fn damage_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO Packages SELECT i, randomblob(i * 13) FROM n;";
        sqlite(
            directory.path(),
            &format!("PRAGMA page_size=512; {TABLE} {rows}"),
        );
        let good = std::fs::read(directory.path().join("db")).expect("the file");
        let mut random = fastrand::Rng::with_seed(3);
        let mut refused = 0;
        for _ in 0..2000 {
            let mut bytes = good.clone();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()).max(bytes.len() * 3 / 4));
            std::fs::write(directory.path().join("db"), &bytes).expect("the file");
            refused += usize::from(seen(directory.path()).is_err());
            if let Ok(database) = open(directory.path()) {
                refused += usize::from(database.row("Packages", random.u64(..250)).is_err());
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
