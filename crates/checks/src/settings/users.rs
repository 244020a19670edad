//! passwd(5), shadow(5) and group(5) as they stand in the tree, and what userdb adds: rows of fields, nothing judged yet.

use super::userdb::{self, Record};
use agent_core::bounds;
use agent_core::os::root::Root;
use std::io;

/// One row: where it stands and its fields, bytes as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line in its file, from 1.
    pub line: usize,
    fields: Vec<Vec<u8>>,
    /// The file of a row that none of the three files has.
    record: Option<Box<str>>,
}

impl Row {
    /// A row that stands nowhere.
    pub fn of(fields: &[&str]) -> Row {
        Row {
            line: 0,
            fields: fields
                .iter()
                .map(|field| field.as_bytes().to_vec())
                .collect(),
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

    /// `FILE:LINE`, in the file of /etc that rows of this kind lie in; the file of a record.
    pub fn place(&self, file: &str) -> String {
        match &self.record {
            Some(record) => record.to_string(),
            None => format!("/etc/{file}:{}", self.line),
        }
    }

    /// Field `n` counted from 0; empty where the row is too short.
    pub fn field(&self, n: usize) -> &[u8] {
        self.fields.get(n).map_or(b"", Vec::as_slice)
    }

    /// The first field.
    pub fn name(&self) -> &[u8] {
        self.field(0)
    }

    /// Whether field `n` is there at all.
    pub fn has(&self, n: usize) -> bool {
        self.fields.len() > n
    }

    /// Field `n` as a decimal number.
    pub fn number(&self, n: usize) -> Option<i64> {
        std::str::from_utf8(self.field(n)).ok()?.parse().ok()
    }

    /// Whether the row is NIS compatibility and no user or group (nsswitch.conf(5)).
    pub fn is_nis(&self) -> bool {
        matches!(self.name().first(), Some(b'+' | b'-'))
    }
}

/// The three files, with what records beside them add; `None` where a file is not there.
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
    /// Records that could not be read: the file, and why.
    pub unread: Vec<(String, String)>,
}

impl Users {
    /// Reads all of it below the root.
    pub fn read(root: &Root) -> io::Result<Users> {
        let rows = |path: &str| {
            let bytes = root
                .read(path.as_bytes(), bounds::ACCOUNTS_FILE)
                .map_err(|error| io::Error::new(error.kind(), format!("/{path}: {error}")))?;
            Ok::<_, io::Error>(bytes.map(|bytes| parse(&bytes)))
        };
        let mut users = Users {
            passwd: rows("etc/passwd")?,
            shadow: rows("etc/shadow")?,
            group: rows("etc/group")?,
            ..Users::default()
        };
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

/// Rows of fields parted by `:`; empty lines and comments are passed over, as nss_files does.
fn parse(bytes: &[u8]) -> Vec<Row> {
    bytes
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty() && line.trim_ascii()[0] != b'#')
        .map(|(number, line)| Row {
            line: number + 1,
            fields: line
                .split(|byte| *byte == b':')
                .map(<[u8]>::to_vec)
                .collect(),
            record: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_lines() {
        let rows = parse(b"root:x:0:0::/root:/bin/sh\n\n# no\n+::::::\nbad");
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].number(2), Some(0));
        assert_eq!((rows[1].line, rows[1].is_nis()), (4, true));
        assert_eq!((rows[2].name(), rows[2].has(1)), (b"bad".as_slice(), false));
    }
}
