//! Which packages dpkg says it is unpacking, and which paths stand in their lists.
//!
//! dpkg writes each step of a package into its journal `updates/`, and all of them into `status` when it ends
//! (dpkg(1), "Package states"; `lib/dpkg/dbmodify.c`). A package is being unpacked if its last entry says so:
//!
//! | state | counts |
//! |---|---|
//! | `half-installed`, `unpacked` | wherever it stands |
//! | `half-configured` | in the journal alone: there its run has not yet ended; in `status` it is what a failed one left |
//! | any other | no |
//!
//! if it is wanted (`install`, `hold`): a package that is being removed brings no files. All of this lies in files that
//! root may write. Whatever cannot be read, or is larger than its bound, makes no package count.

mod journal;

use super::paths;
use super::status::State;
use super::{DIVERSIONS, Diversions, STATUS, info::INFO};
use crate::database::Damages;
use agent_core::attributes::{FileType, Timestamp};
use agent_core::bounds;
use agent_core::bytes;
use agent_core::os::node::{self, Id};
use agent_core::os::root::Root;
use journal::Journal;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// How dpkg calls a file before it has its name, and the one that it replaces until the package is unpacked.
const TEMPORARY: [&[u8]; 2] = [b".dpkg-new", b".dpkg-tmp"];
/// Directories that are links into `usr` where the two are merged (<https://wiki.debian.org/UsrMerge>): lists may still
/// name files by them.
pub(super) const MERGED: [&[u8]; 7] = [
    b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"libo32",
];

/// The packages that are being unpacked, by the state of the database when it was last read.
#[derive(Debug, Default)]
pub struct Unpacking {
    /// What the status file says, and of which state of it.
    status: (FileStamp, BTreeMap<Key, State>),
    journal: Journal,
    /// The diversions, and of which state of their file.
    diversions: (FileStamp, Vec<u8>),
    /// By package, as `name` or, where its files are called so, `name:arch`.
    packages: BTreeMap<String, List>,
    keys: RandomState,
}

/// Name and architecture.
type Key = (String, String);

/// One state of a file; `None`: it is not there.
type FileStamp = Option<(Id, u64, Timestamp, Timestamp)>;

/// The paths in a package's list.
#[derive(Debug, Default)]
struct List {
    /// Its files are being replaced: dpkg's list and sums are still those of the version before.
    half_installed: bool,
    stamp: FileStamp,
    /// Keyed hashes, sorted: of two paths that nobody can make collide.
    paths: Vec<u64>,
}

/// An entry of the status file or of the journal.
#[derive(Debug, Default, PartialEq, Eq)]
struct StatusEntry {
    name: String,
    arch: String,
    wanted: bool,
    state: Option<State>,
}

impl Unpacking {
    /// Reads what has changed since the last time.
    pub fn refresh(&mut self, root: &Root) {
        let deadline = Instant::now().checked_add(bounds::UNPACKING);
        let read = deadline.map(|deadline| self.read(root, deadline));
        if !matches!(read, Some(Ok(()))) {
            self.packages.clear();
        }
    }

    /// The package that is being unpacked and has the path (relative to the root) in its list, or the one that it is
    /// about to be renamed to; or of which dpkg keeps the file for itself.
    pub fn package_of(&self, path: &[u8]) -> Option<&str> {
        let named = without_temporary(path);
        self.lists(path)
            .or_else(|| self.lists(named).filter(|_| named != path))
            .or_else(|| self.keeps(path))
    }

    /// By the names that dpkg gives to what it keeps: as that of the list, with another ending.
    fn keeps(&self, path: &[u8]) -> Option<&str> {
        let name = path.strip_prefix(INFO.as_bytes().strip_prefix(b"/")?)?;
        let (package, kind) = bytes::rsplit_once(name.strip_prefix(b"/")?, b'.')?;
        let package = std::str::from_utf8(package)
            .ok()
            .filter(|_| !kind.contains(&b'/'))?;
        let (package, _) = self.packages.get_key_value(package)?;
        Some(package)
    }

    fn lists(&self, path: &[u8]) -> Option<&str> {
        let hash = self.keys.hash_one(path);
        let has = |list: &List| list.paths.binary_search(&hash).is_ok();
        let mut packages = self.packages.iter();
        packages
            .find(|(_, list)| has(list))
            .map(|(name, _)| name.as_str())
    }

    /// Whether the package is being unpacked; the name is that of [`Unpacking::package_of`].
    pub fn has(&self, package: &str) -> bool {
        self.packages.contains_key(package)
    }

    /// What the package of that name is called here, if it is being unpacked.
    pub fn called(&self, name: &str) -> Option<&str> {
        let mut called = self.packages.keys();
        let is_it = |called: &&String| called.split(':').next() == Some(name);
        called.find(is_it).map(String::as_str)
    }

    /// Whether its files are being replaced at this moment: they are neither the old version's nor all the new one's.
    pub fn is_half_installed(&self, package: &str) -> bool {
        let list = self.packages.get(package);
        list.is_some_and(|list| list.half_installed)
    }

    fn read(&mut self, root: &Root, deadline: Instant) -> io::Result<()> {
        let stamp = stamp(root, STATUS)?;
        if stamp != self.status.0 {
            self.status = (None, BTreeMap::new());
            let mut found = BTreeMap::new();
            if let Some(file) = root.open_file(STATUS)? {
                entries(file.take(bounds::UNPACKING_STATUS), deadline, |entry| {
                    note(&mut found, &entry, false)
                })?;
            }
            self.status = (stamp, found);
        }
        self.journal.refresh(root, deadline)?;
        let mut found = self.status.1.clone();
        for entry in self.journal.entries() {
            note(&mut found, entry, true)?;
        }
        self.read_lists(root, found, deadline)
    }

    fn read_lists(
        &mut self,
        root: &Root,
        found: BTreeMap<Key, State>,
        deadline: Instant,
    ) -> io::Result<()> {
        let mut before = std::mem::take(&mut self.packages);
        if found.is_empty() {
            return Ok(());
        }
        let diversions = stamp(root, DIVERSIONS.as_bytes())?;
        if diversions != self.diversions.0 {
            let text = root.read(DIVERSIONS.as_bytes(), bounds::UNPACKING_DIVERSIONS)?;
            self.diversions = (diversions, text.unwrap_or_default());
            before.clear();
        }
        let mut ignored = Damages::default();
        let mut table = None;
        let info = match root.resolve(INFO.as_bytes(), true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            resolved => resolved?.handle,
        };
        let mut total: usize = 0;
        for ((name, arch), state) in found {
            expire(deadline)?;
            // Lists of a package that is Multi-Arch: same, and only those, have the architecture in their name.
            let qualified = format!("{name}:{arch}");
            let mut called = qualified;
            let info = info.as_ref().map(AsFd::as_fd);
            let mut stamp = list_stamp(root, info, &called)?;
            if stamp.is_none() {
                called.clone_from(&name);
                stamp = list_stamp(root, info, &called)?;
            }
            let mut list = match before.remove(&called) {
                Some(list) if list.stamp == stamp => list,
                _ => {
                    let text = root.read(&list_path(&called), bounds::UNPACKING_LIST)?;
                    let text = text.unwrap_or_default();
                    let (diversions, merged) = table.get_or_insert_with(|| {
                        let text = &self.diversions.1;
                        let merged = MERGED.into_iter().filter(|name| is_merged(root, name));
                        (
                            Diversions::parse(text, DIVERSIONS, &mut ignored),
                            merged.collect::<Vec<&[u8]>>(),
                        )
                    });
                    let listed = text.split(|byte| *byte == b'\n').filter_map(paths::plain);
                    let places = listed.map(|path| diversions.place(path, &name));
                    let hash = |path| self.keys.hash_one(real(path, merged).as_slice());
                    let mut paths: Vec<u64> = places.map(hash).collect();
                    paths.sort_unstable();
                    paths.dedup();
                    List {
                        half_installed: false,
                        stamp,
                        paths,
                    }
                }
            };
            list.half_installed = state == State::HalfInstalled;
            total = total.saturating_add(list.paths.len());
            if total > bounds::UNPACKING_PATHS {
                return Err(io::Error::other("lists of too many paths"));
            }
            self.packages.insert(called, list);
        }
        Ok(())
    }
}

/// The path that dpkg is about to give to what lies here, or this one.
pub fn without_temporary(path: &[u8]) -> &[u8] {
    let mut endings = TEMPORARY.into_iter();
    endings
        .find_map(|ending| path.strip_suffix(ending))
        .unwrap_or(path)
}

/// Takes in what an entry says: it replaces what was said of the package before.
fn note(found: &mut BTreeMap<Key, State>, entry: &StatusEntry, journal: bool) -> io::Result<()> {
    let key = (entry.name.clone(), entry.arch.clone());
    let counts = match entry.state {
        Some(State::HalfInstalled | State::Unpacked) => entry.wanted,
        Some(State::HalfConfigured) => entry.wanted && journal,
        _ => false,
    };
    match entry.state.filter(|_| counts) {
        Some(state) => drop(found.insert(key, state)),
        None => drop(found.remove(&key)),
    }
    match found.len() > bounds::UNPACKING_PACKAGES {
        true => Err(io::Error::other("too many packages are being unpacked")),
        false => Ok(()),
    }
}

/// Each entry of a file, without what is not asked here. Errors: it is longer than its limit, or it took too long.
fn entries<R: Read>(
    file: io::Take<R>,
    deadline: Instant,
    mut each: impl FnMut(StatusEntry) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut entry = StatusEntry::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match line.trim_ascii_end() {
            [] => {
                expire(deadline)?;
                finish(std::mem::take(&mut entry), &mut each)?;
            }
            // The rest of a field, or a remark.
            [b' ' | b'\t' | b'#', ..] => {}
            text => entry.field(text),
        }
    }
    match reader.get_ref().limit() {
        0 => Err(io::Error::other("too large")),
        _ => finish(entry, &mut each),
    }
}

fn finish(
    entry: StatusEntry,
    each: &mut impl FnMut(StatusEntry) -> io::Result<()>,
) -> io::Result<()> {
    match entry.name.is_empty() {
        true => Ok(()),
        false => each(entry),
    }
}

impl StatusEntry {
    fn field(&mut self, line: &[u8]) {
        let Some((name, value)) = bytes::split_once(line, b':') else {
            return;
        };
        let value = value.trim_ascii();
        let word = || super::status::word(value).unwrap_or_default().to_owned();
        if name.eq_ignore_ascii_case(b"Package") {
            self.name = word();
        } else if name.eq_ignore_ascii_case(b"Architecture") {
            self.arch = word();
        } else if name.eq_ignore_ascii_case(b"Status") {
            let mut words = value
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty());
            let wanted = matches!(words.next(), Some(b"install" | b"hold"));
            let sound = matches!(words.next(), Some(b"ok" | b"reinstreq"));
            self.wanted = wanted && sound;
            self.state = words.next().and_then(State::from_name);
        }
    }
}

/// As a path stands below the root where `bin` and its like are links into `usr`.
pub(super) fn real(path: &[u8], merged: &[&[u8]]) -> Vec<u8> {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or(path);
    match merged.contains(&first) && first.len() < path.len() {
        true => [b"usr/", path].concat(),
        false => path.to_vec(),
    }
}

pub(super) fn is_merged(root: &Root, name: &[u8]) -> bool {
    let resolved = root.resolve(name, true);
    resolved.is_ok_and(|resolved| resolved.path.strip_prefix(b"usr/") == Some(name))
}

fn list_path(package: &str) -> Vec<u8> {
    format!("{INFO}/{package}.list").into_bytes()
}

/// The state of a list; `info` is the directory that holds it.
fn list_stamp(root: &Root, info: Option<BorrowedFd<'_>>, package: &str) -> io::Result<FileStamp> {
    let Some(info) = info else {
        return Ok(None);
    };
    match node::stat_at(info, format!("{package}.list").as_bytes()) {
        Err(Errno::NOENT) => Ok(None),
        Ok(stat) if stat.kind == FileType::File => Ok(stamp_of(&stat)),
        // A link says nothing of where it leads.
        _ => stamp(root, &list_path(package)),
    }
}

fn stamp(root: &Root, path: &[u8]) -> io::Result<FileStamp> {
    let resolved = match root.resolve(path, true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        resolved => resolved?,
    };
    let Some(handle) = resolved.handle else {
        return Ok(None);
    };
    Ok(stamp_of(&node::stat(handle)?))
}

fn stamp_of(stat: &node::Stat) -> FileStamp {
    Some((stat.id, stat.size, stat.mtime, stat.ctime))
}

fn expire(deadline: Instant) -> io::Result<()> {
    match Instant::now() >= deadline {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
