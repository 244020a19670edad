//! A search through directories that others may have filled: bounded in names, files, depth and memory; it opens
//! nothing but regular files and directories, follows no link, and stays off network file systems.

use super::Gap;
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::os::node::{self, Hint, Stat};
use agent_core::os::procfs;
use agent_core::os::root::Root;
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

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
                true => remote_mounts(),
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
        if self.gaps.len() < bounds::CREDENTIALS_UNSEEN {
            self.gaps.push(Gap {
                place: agent_core::escape::terminal_text(place).into_owned(),
                why: why.to_string(),
            });
        }
    }

    /// Opens the files below `start` that `wants` asks for, down to `depth` levels of directories; deeper is no
    /// gap unless `depth` is [`bounds::CREDENTIALS_DEPTH`].
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
        self.left = bounds::CREDENTIALS_NAMES;
        let left = bounds::CREDENTIALS_ALL_OPENED.saturating_sub(self.opened);
        self.left_to_open = bounds::CREDENTIALS_OPENED.min(left);
        let told = depth == bounds::CREDENTIALS_DEPTH;
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
        let left = bounds::CREDENTIALS_ALL_NAMES.saturating_sub(self.names);
        let most = self.left.min(left);
        let (names, whole) = match node::read_some_names(dir, most) {
            Ok(found) => found,
            Err(errno) => return self.gap(path, errno),
        };
        self.left = self.left.saturating_sub(names.len());
        self.names = self.names.saturating_add(names.len());
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
            let Some(depth) = depth.checked_sub(1) else {
                if told {
                    self.gap(&below, "deeper than is looked at");
                }
                continue;
            };
            if self.remote.contains(&below) {
                self.gap(&below, "a network file system");
                continue;
            }
            match node::open_dir(dir, name) {
                Ok(inner) => {
                    self.directory(inner.as_fd(), &below, depth, told, wants, &mut *visit);
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
        self.left_to_open = self.left_to_open.saturating_sub(1);
        self.opened = self.opened.saturating_add(1);
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
fn remote_mounts() -> HashSet<String> {
    let text = procfs::read_own(b"mountinfo", bounds::MOUNTS);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct All;

    impl Wanted for All {
        fn name(&self, _: &[u8]) -> bool {
            true
        }

        fn stat(&self, _: &[u8], _: &Stat) -> bool {
            true
        }
    }

    /// The files of three that are opened where others have been looked at before, and what is said of the rest.
    fn opened(names: usize, files: usize) -> (usize, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["a", "b", "c"] {
            fs::write(directory.path().join(name), "x").expect("written");
        }
        let root = Root::open(directory.path()).expect("a root");
        let mut search = Search::new(&root);
        search.names = names;
        search.opened = files;
        let mut opened = 0;
        search.below("/", bounds::CREDENTIALS_DEPTH, &All, &mut |_, _, _| {
            opened += 1;
        });
        let gaps = search.gaps.into_iter().map(|gap| gap.why);
        (opened, gaps.collect())
    }

    #[test]
    fn what_all_places_together_have_is_bounded_and_the_rest_is_told() {
        assert_eq!(opened(0, 0), (3, vec![]));
        let names = bounds::CREDENTIALS_ALL_NAMES;
        assert_eq!(opened(names - 3, 0), (3, vec![]));
        let told = opened(names - 2, 0);
        assert_eq!(told, (2, vec!["more names than are looked at".into()]));
        // The last one is told in place of being opened.
        let told = opened(0, bounds::CREDENTIALS_ALL_OPENED - 3);
        assert_eq!(told, (2, vec!["more files than are looked at".into()]));
    }

    #[test]
    fn places_that_are_not_looked_into_are_counted_up_to_a_bound() {
        let root = Root::open(std::path::Path::new("/proc/self/fdinfo")).expect("a root");
        let mut search = Search::new(&root);
        for n in 0..=bounds::CREDENTIALS_UNSEEN {
            search.gap(&n.to_string(), "x");
        }
        assert_eq!(search.gaps.len(), bounds::CREDENTIALS_UNSEEN);
    }
}
