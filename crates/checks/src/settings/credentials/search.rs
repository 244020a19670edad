//! A search through directories that others may have filled: bounded in names, files, depth and memory; it opens
//! nothing but regular files and directories, follows no link, and stays off network file systems.

use super::Gap;
use agent_core::attributes::FileType;
use agent_core::os::node::{self, Hint, Stat};
use agent_core::os::root::Root;
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

/// Names below one start.
const MAX_NAMES: usize = 30_000;
/// Names below all of them.
const MAX_ALL_NAMES: usize = 100_000;
/// Files that are opened below one start.
const MAX_OPENED: usize = 5_000;
/// Files that are opened below all of them.
const MAX_ALL_OPENED: usize = 20_000;
/// Copies of public packages, and what programs keep for themselves: their keys, if any, are known to the world.
const BULK: [&[u8]; 15] = [
    b"node_modules",
    b"site-packages",
    b"dist-packages",
    b"__pycache__",
    b"gems",
    b".git",
    b".cache",
    b".cargo",
    b".rustup",
    b".npm",
    b".m2",
    b".gradle",
    b".gem",
    b".pyenv",
    b".nvm",
];
/// Directories within directories.
pub(super) const MAX_DEPTH: usize = 32;
/// Places that are told as not looked at.
const MAX_GAPS: usize = 1000;
/// File systems that can keep whoever asks waiting.
const REMOTE: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "lustre",
    "9p",
    "afs",
    "autofs",
    "glusterfs",
    "gpfs",
    "ncpfs",
    "virtiofs",
];

/// Which files are worth opening.
pub(super) trait Wanted {
    /// By the name alone, which costs nothing.
    fn name(&self, name: &[u8]) -> bool;
    /// By name and stat.
    fn stat(&self, name: &[u8], stat: &Stat) -> bool;
}

/// A file that was opened: its path from the root with a slash, and its stat.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&str, File, &Stat);

/// A search over several starts, which share its bounds.
pub(super) struct Search<'a> {
    root: &'a Root,
    remote: HashSet<String>,
    names: usize,
    left: usize,
    opened: usize,
    left_to_open: usize,
    /// What was not looked at.
    pub(super) gaps: Vec<Gap>,
}

impl<'a> Search<'a> {
    pub(super) fn new(root: &'a Root) -> Search<'a> {
        Search {
            root,
            remote: match root.is_live() {
                true => remote_mounts(root),
                false => HashSet::new(),
            },
            names: 0,
            left: 0,
            opened: 0,
            left_to_open: 0,
            gaps: Vec::new(),
        }
    }

    fn gap(&mut self, place: &str, why: impl ToString) {
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(Gap {
                place: agent_core::escape::terminal_text(place).into_owned(),
                why: why.to_string(),
            });
        }
    }

    /// Opens the files below `start` that `wants` asks for, down to `depth` levels of directories; deeper is no
    /// gap unless `depth` is [`MAX_DEPTH`].
    pub(super) fn below(
        &mut self,
        start: &str,
        depth: usize,
        wants: &dyn Wanted,
        visit: Visit<'_>,
    ) {
        if self.remote.contains(start) {
            return self.gap(start, "a network file system");
        }
        let found = match self.root.resolve(start.as_bytes(), true) {
            Ok(found) => found,
            Err(error) if is_nothing(Errno::from_io_error(&error)) => return,
            Err(error) => return self.gap(start, error),
        };
        let Some(handle) = found.handle else { return };
        match node::stat(&handle) {
            Ok(stat) if stat.kind == FileType::Dir => {}
            _ => return,
        }
        let dir = match node::open_dir(handle.as_fd(), b".") {
            Ok(dir) => dir,
            Err(errno) => return self.gap(start, errno),
        };
        self.left = MAX_NAMES;
        self.left_to_open = MAX_OPENED.min(MAX_ALL_OPENED - self.opened);
        let told = depth == MAX_DEPTH;
        self.directory(dir.as_fd(), start, depth, told, wants, visit);
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &str,
        depth: usize,
        told: bool,
        wants: &dyn Wanted,
        visit: Visit<'_>,
    ) {
        let most = self.left.min(MAX_ALL_NAMES - self.names);
        let (names, whole) = match node::read_some_names(dir, most) {
            Ok(found) => found,
            Err(errno) => return self.gap(path, errno),
        };
        self.left -= names.len().min(self.left);
        self.names += names.len();
        if !whole {
            self.gap(path, "more names than are looked at");
        }
        let hint_of = |name: &[u8], hint: Hint| match hint {
            Hint::Unknown => node::hint_at(dir, name).unwrap_or(Hint::Other),
            hint => hint,
        };
        // Files first: what lies high up is seen before the bounds are met.
        for (name, hint) in names.iter() {
            if hint_of(name, hint) == Hint::File {
                self.file(dir, name, path, wants, visit);
            }
        }
        for (name, hint) in names.iter() {
            if BULK.contains(&name) || hint_of(name, hint) != Hint::Dir {
                continue;
            }
            let below = format!("{path}/{}", String::from_utf8_lossy(name));
            if depth == 0 {
                if told {
                    self.gap(&below, "deeper than is looked at");
                }
                continue;
            }
            if self.remote.contains(&below) {
                self.gap(&below, "a network file system");
                continue;
            }
            match node::open_dir(dir, name) {
                Ok(inner) => {
                    self.directory(inner.as_fd(), &below, depth - 1, told, wants, &mut *visit);
                }
                Err(errno) if is_nothing(Some(errno)) => {}
                Err(errno) => self.gap(&below, errno),
            }
        }
    }

    fn file(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &str,
        wants: &dyn Wanted,
        visit: Visit<'_>,
    ) {
        if !wants.name(name) {
            return;
        }
        let Ok(stat) = node::stat_at(dir, name) else {
            return;
        };
        if stat.kind != FileType::File || !wants.stat(name, &stat) {
            return;
        }
        let path = format!("{path}/{}", String::from_utf8_lossy(name));
        match self.left_to_open {
            0 => return,
            // The last one is not opened, but told.
            1 => {
                self.left_to_open = 0;
                return self.gap(&path, "more files than are looked at");
            }
            _ => {}
        }
        self.left_to_open -= 1;
        self.opened += 1;
        match node::open_file(dir, name) {
            Ok(file) => match node::stat(&file) {
                Ok(now) if now.id == stat.id => visit(&path, File::from(file), &stat),
                _ => self.gap(&path, "replaced while it was opened"),
            },
            Err(errno) if is_nothing(Some(errno)) => {}
            Err(errno) => self.gap(&path, errno),
        }
    }
}

/// Gone meanwhile, or never there.
fn is_nothing(errno: Option<Errno>) -> bool {
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// Where file systems are mounted that answer over a network, or by a program (proc_pid_mountinfo(5)).
fn remote_mounts(root: &Root) -> HashSet<String> {
    let text = root.read(b"proc/self/mountinfo", 16 << 20).ok().flatten();
    String::from_utf8_lossy(&text.unwrap_or_default())
        .lines()
        .filter_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let kind = kind.split(' ').next()?;
            let remote = REMOTE.contains(&kind) || kind.starts_with("fuse");
            let place = mount.split(' ').nth(4)?;
            remote.then(|| place.replace("\\040", " "))
        })
        .collect()
}
