//! passwd(5), shadow(5) and group(5) as they stand in the tree, what other sources and userdb add: rows of fields, nothing judged yet.

use super::nss;
use super::userdb::{self, Record};
use agent_core::bounds;
use agent_core::os::root::Root;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// One row: where it stands and its fields, bytes as they are. All rows of a file share its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line in its file, from 1.
    pub line: usize,
    text: Arc<Vec<u8>>,
    /// Of the text, this is the row; in 32 bits each, since a host may have very many.
    start: u32,
    end: u32,
    /// The place of a row that none of the three files has.
    record: Option<Box<str>>,
}

impl Row {
    /// A row that stands nowhere.
    pub fn of(fields: &[&str]) -> Row {
        let text = fields.join(":").into_bytes();
        let whole = 0..text.len();
        Row::new(0, &Arc::new(text), whole)
    }

    fn new(line: usize, text: &Arc<Vec<u8>>, range: Range<usize>) -> Row {
        // Far beyond the bound of the file.
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Row {
            line,
            text: text.clone(),
            start: short(range.start),
            end: short(range.end),
            record: None,
        }
    }

    /// A row as the record in that file comes to (nss-systemd(8)).
    pub fn of_record(fields: &[&str], file: &str) -> Row {
        Row {
            record: Some(file.into()),
            ..Row::of(fields)
        }
    }

    /// The same row, as one of another file than that of /etc.
    pub(super) fn of_file(self, path: &str) -> Row {
        Row {
            record: Some(format!("{path}:{}", self.line).into()),
            ..self
        }
    }

    /// `FILE:LINE`, in the file of /etc that rows of this kind lie in; the file of a record.
    pub fn place(&self, file: &str) -> String {
        match &self.record {
            Some(record) => record.to_string(),
            None => format!("/etc/{file}:{}", self.line),
        }
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let (start, end) = (self.start as usize, self.end as usize);
        let text = self.text.get(start..end).unwrap_or_default();
        text.split(|byte| *byte == b':')
    }

    /// Field `n` counted from 0; empty where the row is too short.
    pub fn field(&self, n: usize) -> &[u8] {
        self.fields().nth(n).unwrap_or_default()
    }

    /// The first field.
    pub fn name(&self) -> &[u8] {
        self.field(0)
    }

    /// Whether field `n` is there at all.
    pub fn has(&self, n: usize) -> bool {
        self.fields().nth(n).is_some()
    }

    /// Field `n` as a decimal number.
    pub fn number(&self, n: usize) -> Option<i64> {
        // strtoul(3), which nss_files reads numbers with, passes over white space before them.
        let field = trim_start(self.field(n));
        std::str::from_utf8(field).ok()?.parse().ok()
    }

    /// Whether the row is NIS compatibility and no user or group (nsswitch.conf(5)).
    pub fn is_nis(&self) -> bool {
        matches!(self.name().first(), Some(b'+' | b'-'))
    }
}

/// The three files, with what other sources and records beside them add; `None` where a file is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// /etc/passwd: name, password, uid, gid, gecos, home, shell.
    pub passwd: Option<Vec<Row>>,
    /// /etc/shadow: name, password, last change, minimum, maximum, warning, inactive, expires.
    pub shadow: Option<Vec<Row>>,
    /// /etc/group: name, password, gid, members.
    pub group: Option<Vec<Row>>,
    /// Accounts of userdb and systemd-homed, also those that nobody looks up.
    pub records: Vec<Record>,
    /// Records and sources that could not be read: the file, and why.
    pub unread: Vec<(String, String)>,
}

impl Users {
    /// Reads all of it below the root.
    pub fn read(root: &Root) -> io::Result<Users> {
        let rows = |path: &str| {
            let bytes = root.read(path.as_bytes(), bounds::ACCOUNTS_FILE);
            bytes
                .and_then(|bytes| bytes.map(parse).transpose())
                .map_err(|error| io::Error::new(error.kind(), format!("/{path}: {error}")))
        };
        let mut users = Users {
            passwd: rows("etc/passwd")?,
            shadow: rows("etc/shadow")?,
            group: rows("etc/group")?,
            ..Users::default()
        };
        nss::join(root, &mut users)?;
        userdb::read(root).join(root, &mut users)?;
        Ok(users)
    }

    /// The first passwd row of that name, as getpwnam(3) finds it.
    pub fn account(&self, name: &[u8]) -> Option<&Row> {
        self.passwd.iter().flatten().find(|row| row.name() == name)
    }

    /// The first shadow row of that name.
    pub fn shadow_of(&self, name: &[u8]) -> Option<&Row> {
        self.shadow.iter().flatten().find(|row| row.name() == name)
    }
}

/// Takes off what isspace(3) says is white space: of ASCII, the vertical tab is that too.
fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t'..=b'\r', behind @ ..] = text {
        text = behind;
    }
    text
}

/// Rows of fields parted by `:`; white space before a row, empty lines and comments are passed over, as nss_files does.
pub(super) fn parse(mut bytes: Vec<u8>) -> io::Result<Vec<Row>> {
    bytes.shrink_to_fit();
    let text = Arc::new(bytes);
    let mut rows = Vec::new();
    let mut start: usize = 0;
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let end = start.saturating_add(line.len());
        let line = trim_start(line);
        let range = end.saturating_sub(line.len())..end;
        start = end.saturating_add(1);
        if !matches!(line.first(), None | Some(b'#')) {
            rows.push(Row::new(number, &text, range));
        }
        if rows.len() > bounds::ACCOUNTS_ROWS {
            let message = format!("more than {} rows", bounds::ACCOUNTS_ROWS);
            return Err(io::Error::other(message));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_lines() {
        let text = b"root:x:0:0::/root:/bin/sh\n\n# no\n+::::::\nbad";
        let rows = parse(text.to_vec()).expect("few");
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].number(2), Some(0));
        assert_eq!((rows[1].line, rows[1].is_nis()), (4, true));
        assert_eq!((rows[2].name(), rows[2].has(1)), (b"bad".as_slice(), false));
    }

    #[test]
    fn white_space_is_what_isspace_says() {
        let rows = parse(b"a:x:\x0b\x0c \t\r0:\n \x0b+:::\n\x0b\n\x0b#\nb:x:0 :\n".to_vec());
        let rows = rows.expect("few");
        let told: Vec<_> = rows.iter().map(|row| (row.line, row.number(2))).collect();
        assert_eq!(told, [(1, Some(0)), (2, None), (5, None)]);
        assert!(rows[1].is_nis());
    }

    #[test]
    fn more_rows_than_any_host_has_are_an_error() {
        let rows = |count| parse(b"a:b\n".repeat(count));
        assert_eq!(
            rows(bounds::ACCOUNTS_ROWS).expect("as many").len(),
            bounds::ACCOUNTS_ROWS
        );
        assert!(rows(bounds::ACCOUNTS_ROWS + 1).is_err());
    }
}
