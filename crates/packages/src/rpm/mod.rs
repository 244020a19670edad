//! rpm's database: which packages there are, and what they shipped their files with.
//!
//! What may differ on a sound host is not claimed, as `rpm --verify` does not complain of it either:
//! - Ghosts, whose contents a package leaves to others, are spoken for and no more. Configuration files may be
//!   changed by the host's owner; what is `missingok` may be missing.
//! - Files that were not installed (documentation left out, another architecture's, on shared file systems) or were
//!   replaced by another package are not claimed.
//! - A package says itself what of a file is not to be verified (FILEVERIFYFLAGS).
//! - Times are not compared: they say nothing that the contents do not say better.

mod berkeley;
pub mod capability;
mod files;
mod header;
mod ndb;
pub mod signed;
mod sqlite;
pub mod version;

use super::installed::{Installed, Package};
use agent_core::os::node;
use agent_core::os::root::Root;
use header::{Header, tag};
use sqlite::{Column, column};
use std::io;
use std::ops::ControlFlow;

/// Where the database lies: as RHEL 9 and Amazon Linux have it, then as newer ones do.
const DIRECTORIES: [&str; 2] = ["var/lib/rpm", "usr/lib/sysimage/rpm"];
/// The file, as kinds of database name it.
const KINDS: [(&str, Backend); 3] = [
    ("rpmdb.sqlite", Backend::Sqlite),
    ("Packages", Backend::Berkeley),
    ("Packages.db", Backend::Ndb),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    Sqlite,
    Berkeley,
    Ndb,
}

/// Which file holds the database.
struct DatabaseFile {
    /// Relative to the root.
    path: String,
    kind: Backend,
}

impl DatabaseFile {
    fn path(&self) -> String {
        format!("/{}", self.path)
    }
}

fn find(root: &Root) -> Result<DatabaseFile, String> {
    let there = |path: &str| {
        let found = root.resolve(path.as_bytes(), true);
        found.is_ok_and(|found| {
            let stat = found.handle.and_then(|handle| node::stat(handle).ok());
            stat.is_some_and(|stat| stat.size > 0)
        })
    };
    for (file, kind) in KINDS {
        for directory in DIRECTORIES {
            let path = format!("{directory}/{file}");
            if !there(&path) {
                continue;
            }
            return Ok(DatabaseFile { path, kind });
        }
    }
    Err("there is no rpm database that this version can read".into())
}

/// Opens the file of the database, or of what lies beside it under a name with that ending.
fn open(root: &Root, place: &DatabaseFile, ending: &str) -> io::Result<Option<std::fs::File>> {
    root.open_file(format!("{}{ending}", place.path).as_bytes())
}

/// The least whole number in a column, counted from 0, of a table in any SQLite file; `None` where no row has one.
///
/// `log` is the file `-wal` beside it, where there is one.
pub fn least_in_column(
    file: std::fs::File,
    log: Option<std::fs::File>,
    table: &str,
    column: usize,
) -> io::Result<Option<i64>> {
    let mut least: Option<i64> = None;
    sqlite::Database::open(file, log)?.rows(table, &mut |_, record| {
        if let sqlite::Column::Integer(value) = sqlite::column(record, column)? {
            least = Some(least.map_or(value, |least| least.min(value)));
        }
        Ok(())
    })?;
    Ok(least)
}

fn open_sqlite(root: &Root, place: &DatabaseFile) -> io::Result<sqlite::Database> {
    // A journal with anything in it belongs to a transaction that was broken off and is to be rolled back.
    let broken_off = open(root, place, "-journal")?
        .map(|journal| journal.metadata().map(|data| data.len() > 0))
        .transpose()?
        .unwrap_or(false);
    if broken_off {
        return Err(io::Error::other(
            "a transaction was broken off: rpm --rebuilddb settles it",
        ));
    }
    sqlite::Database::open(whole(root, place)?, open(root, place, "-wal")?)
}

fn whole(root: &Root, place: &DatabaseFile) -> io::Result<std::fs::File> {
    open(root, place, "")?.ok_or_else(|| io::Error::other("it is gone"))
}

/// Takes a record of the table `Packages` for a header.
fn header<T>(record: &[u8], take: impl FnOnce(Header<'_>) -> io::Result<T>) -> io::Result<T> {
    match column(record, 1)? {
        Column::Blob(blob) => parsed(blob, take),
        _ => Err(io::Error::other("a package without a header")),
    }
}

fn parsed<T>(blob: &[u8], take: impl FnOnce(Header<'_>) -> io::Result<T>) -> io::Result<T> {
    let damaged = || io::Error::other("a package's header is damaged");
    take(Header::parse(blob).ok_or_else(damaged)?)
}

/// Hands the header of each package on. An error says that the database could not be read to its end.
fn headers(
    root: &Root,
    place: &DatabaseFile,
    each: &mut dyn FnMut(Header<'_>) -> io::Result<()>,
) -> io::Result<()> {
    if place.kind == Backend::Sqlite {
        let database = open_sqlite(root, place)?;
        return database.rows("Packages", &mut |_, record| header(record, &mut *each));
    }
    values(root, place, &mut |blob| {
        Ok(ControlFlow::Continue(parsed(blob, &mut *each)?))
    })
}

/// Hands the bytes of each header on, of databases that are gone through as they lie, until one is enough.
fn values(
    root: &Root,
    place: &DatabaseFile,
    each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    let file = whole(root, place)?;
    match place.kind {
        Backend::Ndb => ndb::Database::open(file)?.values(each),
        _ => berkeley::Database::open(file)?.values(each),
    }
}

/// The name of a package, fit for reports; `None` for a header without one.
fn name(header: &Header<'_>) -> Option<String> {
    let name = std::str::from_utf8(header.text(tag::NAME)?).ok()?;
    let sound = |c: char| c.is_ascii_graphic();
    (!name.is_empty() && name.chars().all(sound)).then(|| name.to_owned())
}

/// `[EPOCH:]VERSION-RELEASE`
fn evr(header: &Header<'_>) -> String {
    let text = |tag| String::from_utf8_lossy(header.text(tag).unwrap_or_default()).into_owned();
    let epoch = match header.number(tag::EPOCH) {
        None | Some(0) => String::new(),
        Some(epoch) => format!("{epoch}:"),
    };
    format!("{epoch}{}-{}", text(tag::VERSION), text(tag::RELEASE))
}

fn package(name: String, header: &Header<'_>) -> Package {
    Package {
        name,
        version: evr(header),
        arch: String::from_utf8_lossy(header.text(tag::ARCH).unwrap_or_default()).into_owned(),
    }
}

/// The packages that are installed; keys for signatures, which rpm keeps as packages, left out.
pub(super) fn installed(root: &Root) -> Result<Installed, String> {
    let place = find(root)?;
    let mut installed = Installed::default();
    let read = headers(root, &place, &mut |header| {
        match name(&header) {
            Some(name) if name == "gpg-pubkey" => {}
            Some(name) => installed.packages.push(package(name, &header)),
            None => installed.damaged = Some(place.path()),
        }
        Ok(())
    });
    read.map_err(|error| format!("{}: {error}", place.path()))?;
    Ok(installed)
}

/// The installed package of that name. Of SQLite the index of names leads to it; of Berkeley DB and ndb, where that is
/// a file of its own, the packages are gone through until it is met.
pub(super) fn named(root: &Root, wanted: &str) -> Result<Option<Package>, String> {
    let place = find(root)?;
    let found = match place.kind {
        Backend::Sqlite => by_index(root, &place, wanted),
        _ => gone_through(root, &place, wanted),
    };
    found.map_err(|error| format!("{}: {error}", place.path()))
}

fn gone_through(root: &Root, place: &DatabaseFile, wanted: &str) -> io::Result<Option<Package>> {
    let mut found = None;
    values(root, place, &mut |blob| {
        parsed(blob, |header| {
            found = name(&header)
                .filter(|name| name == wanted)
                .map(|name| package(name, &header));
            Ok(match found {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            })
        })
    })?;
    Ok(found)
}

fn by_index(root: &Root, place: &DatabaseFile, wanted: &str) -> io::Result<Option<Package>> {
    let database = open_sqlite(root, place)?;
    let mut row = None;
    // key, hnum, idx
    database.rows("Name", &mut |_, record| {
        if column(record, 0)? == Column::Text(wanted.as_bytes())
            && let Column::Integer(number) = column(record, 1)?
        {
            row = u64::try_from(number).ok();
        }
        Ok(())
    })?;
    let Some(row) = row else { return Ok(None) };
    let record = database.row("Packages", row)?;
    let record = record.ok_or_else(|| io::Error::other("its index names a package it has not"))?;
    header(&record, |header| {
        Ok(Some(package(wanted.to_owned(), &header)))
    })
}
