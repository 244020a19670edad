//! Where the directories that a database names really are: merged-usr systems have `bin` → `usr/bin`.

use agent_core::attributes::FileType;
use agent_core::bytes;
use agent_core::os::node::{self, Hint};
use agent_core::os::root::Root;
use agent_core::paths::split;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Deeper than any package goes, and few enough descriptors.
// Own bound: of descriptors; deeper directories stay as they are named.
const MAX_DEPTH: usize = 256;

/// PATH_MAX: what is longer cannot have been unpacked by path.
// Own bound: the kernel's.
const MAX_PATH: usize = 4096;

/// Directories by number, each kept once.
#[derive(Default)]
pub(super) struct Dirs {
    ids: HashMap<Box<[u8]>, u32>,
    last: (Vec<u8>, u32),
}

impl Dirs {
    /// The number of `dir`, a relative path without `.` and `..`; empty for the root.
    pub(super) fn id(&mut self, dir: &[u8]) -> u32 {
        // Lists name the files of one directory in a row.
        if !self.ids.is_empty() && self.last.0 == dir {
            return self.last.1;
        }
        let id = match self.ids.get(dir) {
            Some(id) => *id,
            None => {
                let id = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
                self.ids.insert(dir.into(), id);
                id
            }
        };
        self.last.0.clear();
        self.last.0.extend_from_slice(dir);
        self.last.1 = id;
        id
    }

    /// By number, where each directory leads with every link in it resolved below `root`.
    ///
    /// What does not exist stays as it is named, below the deepest part that exists; so does a link that
    /// leads to no directory. `None` if that takes more than `limit` bytes: a link can make short paths long.
    pub(super) fn canonical(self, root: &Root, limit: usize) -> Option<Vec<Box<[u8]>>> {
        let mut total: usize = 0;
        let mut canonical = vec![Box::default(); self.ids.len()];
        let mut dirs: Vec<(Box<[u8]>, u32)> = self.ids.into_iter().collect();
        // Bytes in order bring each directory close to its parent, whose handle is then still open.
        dirs.sort_unstable();
        let mut levels: Vec<Level> = Vec::new();
        for (dir, id) in dirs {
            while levels.last().is_some_and(|level| !level.leads_to(&dir)) {
                levels.pop();
            }
            let known = levels.last().map_or(0, |level| level.named.len());
            let mut rest = bytes::behind(&dir, known);
            while !rest.is_empty() {
                rest = rest.strip_prefix(b"/").unwrap_or(rest);
                let name = bytes::until(rest, b'/');
                rest = bytes::behind(rest, name.len());
                let named = dir.strip_suffix(rest).unwrap_or(&dir);
                let level = Level::below(root, &mut levels, named, name);
                levels.push(level);
                if levels.len() > MAX_DEPTH {
                    levels
                        .iter_mut()
                        .for_each(|level| level.place = DirHandle::Unknown);
                }
            }
            if let Some(level) = levels.last() {
                total = total.saturating_add(level.canonical.len());
                if total > limit {
                    return None;
                }
                if let Some(canonical) = canonical.get_mut(id as usize) {
                    *canonical = level.canonical.as_slice().into();
                }
            }
        }
        Some(canonical)
    }
}

/// A directory on the way to the one that is looked at.
struct Level {
    /// As the database names it.
    named: Vec<u8>,
    canonical: Vec<u8>,
    place: DirHandle,
}

enum DirHandle {
    /// In the directory of the level before; not opened, since most have nothing below them that counts.
    Closed,
    Open(OwnedFd),
    /// It does not exist, is no directory, or is too deep.
    Unknown,
}

impl Level {
    /// `name` in the last of `levels`, which the database calls `named`.
    fn below(root: &Root, levels: &mut [Level], named: &[u8], name: &[u8]) -> Level {
        let mut canonical = levels
            .last()
            .map_or(Vec::new(), |level| level.canonical.clone());
        if !canonical.is_empty() {
            canonical.push(b'/');
        }
        canonical.extend_from_slice(name);
        let (canonical, place) = match open_last(root, levels).map(|dir| node::hint_at(dir, name)) {
            Some(Ok(Hint::Dir)) => (canonical, DirHandle::Closed),
            Some(Ok(Hint::Other)) => follow(root, canonical),
            _ => (canonical, DirHandle::Unknown),
        };
        Level {
            named: named.to_vec(),
            canonical,
            place,
        }
    }

    /// Whether `dir` is this directory or lies below it.
    fn leads_to(&self, dir: &[u8]) -> bool {
        dir.strip_prefix(&self.named[..])
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }
}

/// The directory of the last level, opened; the root where there is none.
fn open_last<'a>(root: &'a Root, levels: &'a mut [Level]) -> Option<BorrowedFd<'a>> {
    let Some((last, before)) = levels.split_last_mut() else {
        return Some(root.as_fd());
    };
    if let DirHandle::Closed = last.place {
        let (_, name) = split(&last.canonical);
        // The level before was open when this one was found in it.
        let dir = match before.last() {
            None => Some(root.as_fd()),
            Some(Level {
                place: DirHandle::Open(dir),
                ..
            }) => Some(dir.as_fd()),
            Some(_) => None,
        };
        last.place = match dir.map(|dir| node::open_handle(dir, name)) {
            Some(Ok(handle)) => DirHandle::Open(handle),
            _ => DirHandle::Unknown,
        };
    }
    match &last.place {
        DirHandle::Open(dir) => Some(dir.as_fd()),
        _ => None,
    }
}

/// The directory that the link at `path` leads to; the path itself if it leads to none.
fn follow(root: &Root, path: Vec<u8>) -> (Vec<u8>, DirHandle) {
    let Ok(resolved) = root.resolve(&path, true) else {
        return (path, DirHandle::Unknown);
    };
    match resolved.handle {
        Some(handle)
            if resolved.path.len() <= MAX_PATH
                && node::stat(&handle).is_ok_and(|stat| stat.kind == FileType::Dir) =>
        {
            (resolved.path, DirHandle::Open(handle))
        }
        _ => (path, DirHandle::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    fn canonical(tree: &Tree, dirs: &[&str]) -> Vec<String> {
        let mut known = Dirs::default();
        let ids: Vec<u32> = dirs.iter().map(|dir| known.id(dir.as_bytes())).collect();
        let canonical = known.canonical(&tree.root(), 1 << 20).expect("short");
        ids.iter()
            .map(|id| String::from_utf8_lossy(&canonical[*id as usize]).into_owned())
            .collect()
    }

    #[test]
    fn links_on_the_way_are_resolved_and_never_leave_the_root() {
        let tree = Tree::new();
        tree.dir("usr/bin/deep/er");
        tree.dir("etc");
        tree.link("bin", "usr/bin");
        tree.link("abs", "/usr/bin");
        tree.link("climb", "../../../../../../../../etc");
        tree.link("loop", "loop");
        tree.link("dangling", "nowhere");
        tree.write("file", "");
        let dirs = [
            "bin",
            "bin/deep",
            "bin/deep/er",
            "abs/deep",
            "climb",
            "loop/x",
            "dangling/x",
            "file/x",
            "gone/sub",
            "bin/gone/sub",
            "",
            "usr/bin",
            "bin-2",
            "bin",
        ];
        let expected = [
            "usr/bin",
            "usr/bin/deep",
            "usr/bin/deep/er",
            "usr/bin/deep",
            "etc",
            "loop/x",
            "dangling/x",
            "file/x",
            "gone/sub",
            "usr/bin/gone/sub",
            "",
            "usr/bin",
            "bin-2",
            "usr/bin",
        ];
        assert_eq!(canonical(&tree, &dirs), expected);
    }

    #[test]
    fn a_chain_too_deep_to_hold_open_is_taken_as_named() {
        let tree = Tree::new();
        let deep = vec!["d"; 3000].join("/");
        assert_eq!(canonical(&tree, &[&deep]), [deep.as_str()]);
        let deep = vec!["d"; 400].join("/");
        tree.dir(&deep);
        assert_eq!(canonical(&tree, &[&deep]), [deep.as_str()]);
    }

    #[test]
    fn links_cannot_make_paths_grow_without_bound() {
        let tree = Tree::new();
        let long = vec!["d".repeat(200); 10].join("/");
        tree.dir(&long);
        tree.link("l", &long);
        let mut known = Dirs::default();
        for n in 0..100 {
            known.id(format!("l/{n}").as_bytes());
        }
        assert!(known.canonical(&tree.root(), 100_000).is_none());
    }
}
