//! Keeping the map right: directories that came, went or moved, watched and forgotten.

use super::{BATCH, Eye};
use crate::files::observe::join;
use crate::files::scope::Place;
use crate::watch::MOST_LEFT_OUT;
use crate::watch::tree::Node;
use agent_core::os::node::{self, Hint, Id, Names};
use agent_core::paths::{is_within, split};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// Events that wait in our memory while directories are added; beyond that they count as lost.
const MOST_WAITING: usize = 256 * 1024;
/// So often events are taken from the kernel's queue while directories are added.
const ADDED_BETWEEN: usize = 256;
/// Deeper directories are left out: each level takes a descriptor while it is added.
const DEEPEST: usize = 512;

/// A directory that is open, and where it stands.
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    id: Id,
    pub(super) place: Place,
    /// Those of the directories above it.
    above: Vec<Id>,
}

/// A directory whose entries are being added.
struct Level {
    opened: Opened,
    node: Node,
    names: Names,
    next: usize,
}

impl Eye {
    /// Makes the map right at a path, whatever happened there; whether it was wrong.
    pub(super) fn reconcile(&mut self, path: &[u8]) -> bool {
        let (above, name) = split(path);
        if path.is_empty() {
            return false;
        }
        let there = self.tree.find(path);
        self.left_out.retain(|left| !is_within(left, path));
        let opened = self.open(path).map(|opened| {
            let added = self.inotify.add(opened.fd.as_fd());
            (opened, added)
        });
        let descriptor = match &opened {
            Some((_, Ok(descriptor))) => Some(*descriptor),
            _ => None,
        };
        if let (Some(node), Some(descriptor)) = (there, descriptor)
            && self.tree.descriptor(node) == Some(descriptor)
        {
            return false;
        }
        if let Some(node) = there {
            self.unused.extend(self.tree.remove(node));
            // They are by node, and nodes are taken again.
            self.places.0.clear();
        }
        let is_there = opened.is_some();
        match opened {
            Some((opened, Ok(descriptor))) => {
                match self
                    .tree
                    .find(above)
                    .and_then(|above| self.tree.add(above, name, descriptor))
                {
                    Some(node) => self.fill(node, opened, path.to_vec()),
                    // What lies above it is not watched: it has been left out itself.
                    None => self.unused.push(descriptor),
                }
            }
            Some((_, Err(errno))) => self.leave_out(path.to_vec(), errno),
            None => {}
        }
        is_there || there.is_some()
    }

    /// Not before what moved has been met at its new place: it keeps its watches.
    pub(super) fn drop_unused(&mut self) {
        let canary = self.canary.as_ref().and_then(|(_, canary)| *canary);
        let others = [canary, self.outside];
        for descriptor in std::mem::take(&mut self.unused) {
            if self.tree.behind(descriptor).is_empty() && !others.contains(&Some(descriptor)) {
                self.inotify.remove(descriptor);
            }
        }
    }

    pub(super) fn open_root(&self) -> Option<Opened> {
        let fd = node::open_dir(self.root.as_fd(), b".").ok()?;
        let id = node::stat(&fd).ok()?.id;
        Some(Opened {
            fd,
            id,
            place: self.scope.root_duty().map(|_| self.scope.root())?,
            above: Vec::new(),
        })
    }

    /// Opens the directory at a path as a walk would come to it; nothing if none would.
    pub(super) fn open(&mut self, path: &[u8]) -> Option<Opened> {
        let mut opened = self.open_root()?;
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            opened = match self.open_entry(&opened, name)? {
                Ok(opened) => opened,
                Err(errno) => {
                    self.leave_out(path.to_vec(), errno);
                    return None;
                }
            };
        }
        Some(opened)
    }

    /// Opens an entry of a directory, if it is a directory that a walk would enter.
    fn open_entry(&self, directory: &Opened, name: &[u8]) -> Option<Result<Opened, Errno>> {
        let duty = self.scope.reach(&directory.place, name)?;
        let opened = match duty.demand.cross_mounts {
            true => node::open_dir(directory.fd.as_fd(), name),
            false => node::open_dir_unmounted(directory.fd.as_fd(), name),
        };
        let fd = match opened {
            Ok(fd) => fd,
            // None any more, none at all, or another mount.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return None,
            Err(errno) => return Some(Err(errno)),
        };
        let stat = match node::stat(&fd) {
            Ok(stat) => stat,
            Err(errno) => return Some(Err(errno)),
        };
        let mounted = stat.mount_root || stat.id.device != directory.id.device;
        let mut above = directory.above.clone();
        above.push(directory.id);
        if (mounted && !duty.demand.cross_mounts) || above.contains(&stat.id) {
            return None;
        }
        Some(Ok(Opened {
            fd,
            id: stat.id,
            place: self.scope.enter(&directory.place, name),
            above,
        }))
    }

    /// Adds what lies below a directory that has just been added. `path` is its path.
    pub(super) fn fill(&mut self, node: Node, opened: Opened, mut path: Vec<u8>) {
        let mut levels = Vec::new();
        let mut added = 0;
        self.list(node, opened, &path, &mut levels);
        while let Some(level) = levels.last_mut() {
            let Some((name, hint)) = level.names.at(level.next) else {
                levels.pop();
                path = split(&path).0.to_vec();
                continue;
            };
            level.next += 1;
            if !matches!(hint, Hint::Dir | Hint::Unknown) {
                continue;
            }
            let (name, node) = (name.to_vec(), level.node);
            let opened = match self.open_entry(&levels[levels.len() - 1].opened, &name) {
                Some(Ok(opened)) => opened,
                Some(Err(errno)) => {
                    self.leave_out(join(&path, &name), errno);
                    continue;
                }
                None => continue,
            };
            if opened.above.len() > DEEPEST {
                self.leave_out(join(&path, &name), Errno::NAMETOOLONG);
                continue;
            }
            let descriptor = match self.inotify.add(opened.fd.as_fd()) {
                Ok(descriptor) => descriptor,
                Err(errno) => {
                    self.leave_out(join(&path, &name), errno);
                    continue;
                }
            };
            let Some(node) = self.tree.add(node, &name, descriptor) else {
                continue;
            };
            path = join(&path, &name);
            if !self.list(node, opened, &path, &mut levels) {
                path = split(&path).0.to_vec();
            }
            added += 1;
            if added % ADDED_BETWEEN == 0 {
                self.relieve();
            }
        }
    }

    /// Lists a directory that is watched; whether it could be.
    fn list(&mut self, node: Node, opened: Opened, path: &[u8], levels: &mut Vec<Level>) -> bool {
        match node::read_names(opened.fd.as_fd()) {
            Ok(names) => {
                levels.push(Level {
                    opened,
                    node,
                    names,
                    next: 0,
                });
                true
            }
            Err(errno) => {
                self.leave_out(path.to_vec(), errno);
                false
            }
        }
    }

    /// Takes events from the kernel's queue, to be worked off later: it is shorter than adding takes.
    pub(super) fn relieve(&mut self) {
        let room = MOST_WAITING.saturating_sub(self.waiting.len());
        if room == 0 {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let most = waiting.len() + room.min(BATCH);
        // An error comes again, where it is dealt with.
        self.inotify.read(&mut waiting, most).unwrap_or_default();
        self.waiting = waiting;
    }

    /// A region that is not watched. What is gone by the time need not be: that it went is told by itself.
    pub(super) fn leave_out(&mut self, path: Vec<u8>, errno: Errno) {
        if errno == Errno::NOENT {
            return;
        }
        self.reason = Some(why(errno));
        self.left_out.insert(path);
        // Regions that lie side by side become the one that they lie in.
        while self.left_out.len() > MOST_LEFT_OUT {
            let depth = |path: &[u8]| path.iter().filter(|b| **b == b'/').count();
            let Some(deepest) = self.left_out.iter().max_by_key(|path| depth(path)) else {
                return;
            };
            let above = split(deepest).0.to_vec();
            self.left_out.retain(|path| !is_within(path, &above));
            self.left_out.insert(above);
        }
    }
}

/// Why a directory is not watched, for a person.
fn why(errno: Errno) -> String {
    match errno {
        Errno::NOSPC => {
            "the kernel gives no more watches: raise fs.inotify.max_user_watches".to_owned()
        }
        Errno::MFILE | Errno::NFILE => "too many open files: raise LimitNOFILE".to_owned(),
        Errno::NAMETOOLONG => format!("directories nested more than {DEEPEST} deep"),
        errno => format!("a directory cannot be watched: {errno}"),
    }
}
