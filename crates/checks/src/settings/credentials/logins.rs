//! Databases of logins: wtmpdb(8) and lastlog2(8), which take the place of wtmp and lastlog.

use super::Gap;
use agent_core::os::root::Root;
use std::io;

/// A table of logins in a SQLite file.
struct Database {
    path: &'static str,
    table: &'static str,
    /// Column of the time, from 0.
    time: usize,
    /// What of the time makes a second.
    per_second: i64,
}

const DATABASES: [Database; 3] = [
    // sshd of Debian 13 writes it, installed wtmpdb or not.
    wtmp("/var/log/wtmp.db"),
    // A link to it, or the file itself (wtmpdb before 0.73).
    wtmp("/var/lib/wtmpdb/wtmp.db"),
    Database {
        path: "/var/lib/lastlog/lastlog2.db",
        table: "Lastlog2",
        time: 1,
        per_second: 1,
    },
];

const fn wtmp(path: &'static str) -> Database {
    Database {
        path,
        table: "wtmp",
        time: 3,
        per_second: 1_000_000,
    }
}

/// Each database with a login in it: its path, and the earliest login in seconds since 1970.
pub(super) fn earliest(root: &Root, gaps: &mut Vec<Gap>) -> Vec<(&'static str, i64)> {
    let mut found = Vec::new();
    for database in DATABASES {
        match read(root, &database) {
            Ok(Some(at)) => found.push((database.path, at)),
            Ok(None) => {}
            Err(error) => gaps.push(Gap {
                place: database.path.into(),
                why: error.to_string(),
            }),
        }
    }
    found
}

fn read(root: &Root, database: &Database) -> io::Result<Option<i64>> {
    let Some(file) = root.open_file(database.path.as_bytes())? else {
        return Ok(None);
    };
    // SQLite makes an empty file before the first table.
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    let log = root.open_file(format!("{}-wal", database.path).as_bytes())?;
    let at = agent_packages::rpm::least_in_column(file, log, database.table, database.time)?;
    Ok(at.map(|at| at.div_euclid(database.per_second)))
}
