//! What the package manager's own database says of the files it installed, for hosts without a sealed manifest.
//!
//! Values and readers only: hashing the files and judging them is for others. A database that lies beside the
//! files it vouches for, with MD5 as its digest, shows accidents and careless changes, not a skilled intruder.
//!
//! A [`Database`] holds an expectation for each file of each installed package, [`Installed`] says which packages there
//! are, and a [`DatabaseStamp`] whether either has to be read again.
//!
//! May touch: the files of dpkg and rpm below a root, for reading. It runs no package manager.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used
    )
)]

pub mod apt;
mod claims;
mod database;
mod dirs;
pub mod dpkg;
mod installed;
pub mod log;
pub mod rpm;
#[cfg(test)]
mod testing;
pub mod transaction;
pub mod unpack;

pub use database::{Damaged, Database, Owned, ShippedAttributes};
pub use installed::{Installed, Package, installed, named};

use agent_core::attributes::Timestamp;
use agent_core::os::node;
use agent_core::os::root::Root;
use std::io;

/// Which package database a tree has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseKind {
    /// `/var/lib/dpkg/status`.
    Dpkg,
    /// Something in `/var/lib/rpm` or `/usr/lib/sysimage/rpm`.
    Rpm,
    /// Neither.
    #[default]
    None,
}

/// Which package database `root` has.
///
/// Either manager can be installed as a mere tool on a host of the other. An rpm database is made by the
/// first query, so a status file with anything in it counts first; an empty one counts if there is no rpm.
/// A status file that cannot be looked at counts as well: loading it then says why.
pub fn detect(root: &Root) -> DatabaseKind {
    let status = match size(root, dpkg::STATUS) {
        Ok(size) => size,
        Err(_) => return DatabaseKind::Dpkg,
    };
    let rpm = || {
        [&b"var/lib/rpm"[..], b"usr/lib/sysimage/rpm"]
            .into_iter()
            .any(|dir| matches!(root.list(dir), Ok(Some(names)) if !names.is_empty()))
    };
    match status {
        Some(1..) => DatabaseKind::Dpkg,
        _ if rpm() => DatabaseKind::Rpm,
        Some(_) => DatabaseKind::Dpkg,
        None => DatabaseKind::None,
    }
}

/// What tells one state of a package database from another, without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseStamp(Vec<(node::Id, u64, Timestamp)>);

/// The state that the package databases of `root` are in: of the files that every transaction writes to.
pub fn stamp(root: &Root) -> DatabaseStamp {
    let found = WRITTEN.iter().filter_map(|path| {
        let handle = root.resolve(path, true).ok()?.handle?;
        let stat = node::stat(handle).ok()?;
        // A mere query leaves an empty log.
        (stat.size > 0).then_some((stat.id, stat.size, stat.mtime))
    });
    DatabaseStamp(found.collect())
}

/// The state of dpkg's journal, in which it notes what a run has done so far; the status file has it when that ends.
pub fn journal(root: &Root) -> DatabaseStamp {
    let handle = root.resolve(dpkg::UPDATES.as_bytes(), true);
    let handle = handle.ok().and_then(|found| found.handle);
    let stat = handle.and_then(|handle| node::stat(handle).ok());
    DatabaseStamp(stat.map_or_else(Vec::new, |stat| vec![(stat.id, stat.size, stat.mtime)]))
}

/// See [`stamp`]; rpm's in either of its places.
const WRITTEN: [&[u8]; 9] = [
    dpkg::STATUS,
    b"var/lib/rpm/rpmdb.sqlite",
    b"var/lib/rpm/rpmdb.sqlite-wal",
    b"var/lib/rpm/Packages",
    b"var/lib/rpm/Packages.db",
    b"usr/lib/sysimage/rpm/rpmdb.sqlite",
    b"usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
    b"usr/lib/sysimage/rpm/Packages",
    b"usr/lib/sysimage/rpm/Packages.db",
];

fn size(root: &Root, path: &[u8]) -> io::Result<Option<u64>> {
    let resolved = match root.resolve(path, true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result?,
    };
    match resolved.handle {
        Some(handle) => Ok(Some(node::stat(handle)?.size)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Tree;
    use super::*;

    #[test]
    fn the_database_in_use_is_detected() {
        let tree = Tree::new();
        assert_eq!(detect(&tree.root()), DatabaseKind::None);
        tree.dir("var/lib/rpm");
        assert_eq!(detect(&tree.root()), DatabaseKind::None);
        tree.write("var/lib/rpm/rpmdb.sqlite", "x");
        assert_eq!(detect(&tree.root()), DatabaseKind::Rpm);
        tree.write("var/lib/dpkg/status", "");
        assert_eq!(detect(&tree.root()), DatabaseKind::Rpm);
        tree.write("var/lib/dpkg/status", "Package: dash\n");
        assert_eq!(detect(&tree.root()), DatabaseKind::Dpkg);
    }

    #[test]
    fn a_database_that_is_written_to_has_another_stamp() {
        let tree = Tree::new();
        assert_eq!(stamp(&tree.root()), DatabaseStamp::default());
        let mut last = DatabaseStamp::default();
        for path in WRITTEN {
            let path = std::str::from_utf8(path).expect("UTF-8");
            tree.write(path, "");
            assert_eq!(stamp(&tree.root()), last, "{path} is empty");
            tree.write(path, "x");
            let written = stamp(&tree.root());
            assert_ne!(written, last, "{path}");
            assert_eq!(stamp(&tree.root()), written, "{path} was read");
            last = written;
        }
    }

    #[test]
    fn an_empty_status_file_is_dpkgs_where_there_is_no_rpm() {
        let tree = Tree::new();
        tree.write("var/lib/dpkg/status", "");
        assert_eq!(detect(&tree.root()), DatabaseKind::Dpkg);
    }
}
