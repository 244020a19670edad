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
mod capability;
mod files;
mod header;
mod sqlite;
pub mod version;

use super::installed::{Installed, Package};
use crate::os::node;
use crate::os::root::Root;
use header::{Header, tag};
use sqlite::{Column, column};
use std::io;

/// Where the database lies: as RHEL 9 and Amazon Linux have it, then as newer ones do.
const DIRECTORIES: [&str; 2] = ["var/lib/rpm", "usr/lib/sysimage/rpm"];
/// The file, as kinds of database name it; ndb, SUSE's, is not read.
const KINDS: [(&str, Kind); 3] = [
    ("rpmdb.sqlite", Kind::Sqlite),
    ("Packages", Kind::Berkeley),
    ("Packages.db", Kind::Ndb),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Berkeley,
    Ndb,
}

/// Which file holds the database.
struct Place {
    /// Relative to the root.
    path: String,
    kind: Kind,
}

impl Place {
    fn path(&self) -> String {
        format!("/{}", self.path)
    }
}

fn find(root: &Root) -> Result<Place, String> {
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
            return match kind {
                Kind::Ndb => Err(format!(
                    "the rpm database /{path} is of the kind ndb, which this version cannot read"
                )),
                kind => Ok(Place { path, kind }),
            };
        }
    }
    Err("there is no rpm database that this version can read".into())
}

/// Hands the header of each package on. An error says that the database could not be read to its end.
fn headers(
    root: &Root,
    place: &Place,
    each: &mut dyn FnMut(Header<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let open = |suffix: &str| root.open_file(format!("{}{suffix}", place.path).as_bytes());
    let file = open("")?.ok_or_else(|| io::Error::other("it is gone"))?;
    let mut header = |blob: &[u8]| {
        let damaged = || io::Error::other("a package's header is damaged");
        each(Header::parse(blob).ok_or_else(damaged)?)
    };
    if place.kind == Kind::Berkeley {
        return berkeley::Database::open(file)?.values(&mut header);
    }
    // A journal with anything in it belongs to a transaction that was broken off and is to be rolled back.
    let broken_off = open("-journal")?
        .map(|journal| journal.metadata().map(|data| data.len() > 0))
        .transpose()?
        .unwrap_or(false);
    if broken_off {
        return Err(io::Error::other(
            "a transaction was broken off: rpm --rebuilddb settles it",
        ));
    }
    let database = sqlite::Database::open(file, open("-wal")?)?;
    database.rows("Packages", &mut |_, record| match column(record, 1)? {
        Column::Blob(blob) => header(blob),
        _ => Err(io::Error::other("a package without a header")),
    })
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

/// The packages that are installed; keys for signatures, which rpm keeps as packages, left out.
pub(super) fn installed(root: &Root) -> Result<Installed, String> {
    let place = find(root)?;
    let mut installed = Installed::default();
    let read = headers(root, &place, &mut |header| {
        match name(&header) {
            Some(name) if name == "gpg-pubkey" => {}
            Some(name) => installed.packages.push(Package {
                name,
                version: evr(&header),
                arch: String::from_utf8_lossy(header.text(tag::ARCH).unwrap_or_default())
                    .into_owned(),
            }),
            None => installed.damaged = Some(place.path()),
        }
        Ok(())
    });
    read.map_err(|error| format!("{}: {error}", place.path()))?;
    Ok(installed)
}
