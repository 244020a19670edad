//! dpkg's database (dpkg(1), deb-md5sums(5), deb-conffiles(5), dpkg-divert(1)).
//!
//! What may differ on a sound host is not claimed, so that no finding is false:
//! - Only packages whose files are all in place count. Of a package that is unpacked but not configured, or
//!   whose configuration failed, the conffiles are left out, as the old ones may still be there. Half installed
//!   packages are named in the notes, and by [`Database::unverified`].
//! - A path in a package's list of digests that is missing from its `.list` was taken over by another package
//!   (Replaces) and is not claimed; dpkg strikes it from the one and leaves the other as it was shipped.
//!   Where several packages still have one path (merged-usr, Multi-Arch), every digest of theirs is accepted.
//! - Conffiles that are obsolete, to be removed on upgrade, or left by a removed package may be missing, but
//!   are compared if present. One that was never configured has no digest and is not claimed.
//! - A file that `path-exclude` leaves out may be missing, but is compared if present.
//! - Alternatives are links that no package ships: they matter only where a path leads through one.

mod diversions;
mod excludes;
mod info;
mod loader;
mod md5sums;
mod owners;
mod paths;
mod status;
pub mod unpacking;
pub mod version;

pub use owners::Owners;

use super::claims::Claims;
use super::database::{Damages, Database};
use super::installed::{Installed, Package as Listed};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;
use diversions::Diversions;
use excludes::Excludes;
use info::Info;
use loader::{Loader, Tally};
use status::{Package, State, Status};
use std::borrow::Cow;
use std::io::BufRead as _;

/// Which packages there are, relative to the root.
pub(super) const STATUS: &[u8] = b"var/lib/dpkg/status";
const STATUS_NAME: &str = "/var/lib/dpkg/status";
pub(super) const UPDATES: &str = "/var/lib/dpkg/updates";
const DIVERSIONS: &str = "/var/lib/dpkg/diversions";

impl Database {
    /// Reads dpkg's database of the tree at `root`.
    ///
    /// A status file that is missing, unreadable or over 256 MiB is an error that names it, as are numbers of
    /// packages or files that no system has. Anything else that can't be used is [`Database::damaged`].
    pub fn load_dpkg(root: &Root) -> Result<Database> {
        let mut damages = Damages::default();
        let texts = read_status(root)?;
        let mut status = Status::default();
        for (file, text) in &texts {
            status
                .add(text, file, &mut damages)
                .map_err(|error| below(root, error))?;
        }
        let diversions = match root.read(DIVERSIONS.as_bytes(), bounds::DPKG_LIST) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => {
                damages.file(DIVERSIONS, error);
                Vec::new()
            }
        };
        let mut loader = Loader {
            root,
            diversions: Diversions::parse(&diversions, DIVERSIONS, &mut damages),
            excludes: Excludes::read(root, &mut damages),
            info: Info::open(root)?,
            damages,
            claims: Claims::default(),
            database: Database::default(),
            tally: Tally::default(),
        };
        // In the order of names the first of several owners is the same every time.
        status
            .packages
            .sort_by_key(|package| (package.name, package.arch));
        for package in &status.packages {
            loader
                .package(package)
                .map_err(|error| below(root, error))?;
        }
        loader.finish().map_err(|error| below(root, error))
    }

    /// Whether a package transaction seems to be under way: dpkg's journal `updates/` holds entries, or a
    /// package is unpacked or half installed.
    ///
    /// A best effort. dpkg empties the journal when it ends, but between two runs of it by one run of apt
    /// nothing shows; and an interrupted transaction looks like one under way until somebody mends it. A
    /// database that cannot be read is not busy.
    pub fn busy(root: &Root) -> bool {
        let Ok(texts) = read_status(root) else {
            return false;
        };
        let mut status = Status::default();
        let mut ignored = Damages::default();
        let parsed = texts
            .iter()
            .try_for_each(|(file, text)| status.add(text, file, &mut ignored));
        let in_between =
            |package: &Package<'_>| matches!(package.state, State::Unpacked | State::HalfInstalled);
        texts.len() > 1 || parsed.is_ok() && status.packages.iter().any(in_between)
    }
}

/// Digest and path of a line of `md5sums` (deb-md5sums(5)), the path relative; `None` for a line that is none.
pub fn sums(line: &[u8]) -> Option<([u8; 16], Cow<'_, [u8]>)> {
    let (md5, path) = md5sums::parse_line(line)?;
    Some((md5, path))
}

/// The packages whose files are in place, by the status file and its journal.
pub(super) fn installed(root: &Root) -> Result<Installed> {
    let texts = read_status(root)?;
    let mut status = Status::default();
    let mut ignored = Damages::default();
    for (file, text) in &texts {
        status.add(text, file, &mut ignored)?;
    }
    Ok(Installed {
        packages: in_place(&status).collect(),
        damaged: ignored.0.first().map(|damage| damage.file.clone()),
    })
}

/// The package of that name, its files in place: only stanzas of that name are taken apart.
pub(super) fn named(root: &Root, name: &str) -> Result<Option<Listed>> {
    let texts = read_status(root)?;
    let mut status = Status::default();
    let line = format!("Package: {name}\n");
    for (file, text) in &texts {
        for at in memchr::memmem::find_iter(text, line.as_bytes()) {
            let (before, behind) = text.split_at_checked(at).unwrap_or_default();
            if !matches!(before, [] | [.., b'\n']) {
                continue;
            }
            let start = memchr::memmem::rfind(before, b"\n\n");
            let start = start.map_or(0, |end| end.saturating_add(2));
            let length = memchr::memmem::find(behind, b"\n\n");
            let end = length.map_or(text.len(), |length| {
                at.saturating_add(length).saturating_add(1)
            });
            let stanza = text.get(start..end).unwrap_or_default();
            status.add(stanza, file, &mut Damages::default())?;
        }
    }
    let found = in_place(&status).find(|package| package.name == name);
    Ok(found)
}

fn in_place(status: &Status<'_>) -> impl Iterator<Item = Listed> {
    let there = |state| !matches!(state, State::NotInstalled | State::ConfigFiles);
    let packages = status.packages.iter();
    packages
        .filter(move |package| there(package.state))
        .map(|package| Listed {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            arch: package.arch.to_owned(),
        })
}

/// The status file, then the entries of the journal in order, which dpkg reads as if they were in it.
fn read_status(root: &Root) -> Result<Vec<(String, Vec<u8>)>> {
    let read = |file: &str| match root.read(file.as_bytes(), bounds::DPKG_STATUS) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(Error::in_file(file, "no such file")),
        Err(error) => Err(Error::in_file(file, error.to_string())),
    };
    let status = read(STATUS_NAME).map_err(|e| below(root, e))?;
    let mut total = status.len() as u64;
    let mut texts = vec![(STATUS_NAME.to_owned(), status)];
    let names = root.list(UPDATES.as_bytes());
    let names = names.map_err(|error| below(root, Error::in_file(UPDATES, error.to_string())))?;
    for (name, _) in names.unwrap_or_default().iter() {
        if !name.iter().all(u8::is_ascii_digit) {
            continue;
        }
        let file = format!("{UPDATES}/{}", String::from_utf8_lossy(name));
        let text = match read(&file) {
            Ok(text) => text,
            // dpkg has just taken it over into the status file.
            Err(_)
                if root
                    .resolve(file.as_bytes(), true)
                    .is_ok_and(|r| r.handle.is_none()) =>
            {
                continue;
            }
            Err(error) => return Err(below(root, error)),
        };
        total = total.saturating_add(text.len() as u64);
        if total > bounds::DPKG_STATUS {
            let message = format!(
                "status and journal are larger than {} bytes",
                bounds::DPKG_STATUS
            );
            return Err(below(root, Error::in_file(UPDATES, message)));
        }
        texts.push((file, text));
    }
    Ok(texts)
}

/// The error with its file as it is seen from outside the tree.
fn below(root: &Root, error: Error) -> Error {
    let file = error.file.map(|file| match file.strip_prefix("/") {
        Ok(relative) => root.path().join(relative),
        Err(_) => file,
    });
    Error { file, ..error }
}

/// One line of a file.
struct Line<'a> {
    text: &'a [u8],
    /// Whether a newline ends it.
    ended: bool,
}

fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let line = rest;
        // Faster than a comparison of each byte. Reading memory cannot fail.
        let length = rest.skip_until(b'\n').ok()?;
        match line.get(..length)? {
            [] => None,
            [text @ .., b'\n'] => Some(Line { text, ended: true }),
            text => Some(Line { text, ended: false }),
        }
    })
}

#[cfg(test)]
mod tests;
