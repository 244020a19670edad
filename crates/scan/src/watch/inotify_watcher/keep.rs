//! Keeping the map right: directories that came, went or moved, watched and forgotten.

use super::{BATCH, InotifyWatcher};
use crate::files::door::{self, Doors, Shut};
use crate::files::probe::{Directory, join};
use crate::files::scope::RuleCursor;
use crate::files::step::Blindness;
use crate::watch::tree::{Descriptor, Node};
use agent_core::bounds;
use agent_core::os::node::{self, Hint, Id, Names, Stat};
use agent_core::paths::split;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::sync::Arc;

/// Events that wait in our memory while directories are added; beyond that they count as lost.
// Own bound: beyond it everything is looked at, as after any loss.
const MOST_WAITING: usize = 256 * 1024;
/// So often events are taken from the kernel's queue while directories are added.
const ADDED_BETWEEN: usize = 256;
/// Deeper directories are left out: each level takes a descriptor while it is added.
// Own bound: of descriptors; the region is named as left out.
const DEEPEST: usize = 512;

/// A directory that is open, and where it stands.
pub(super) struct OpenDirectory {
    pub(super) directory: Arc<Directory>,
    /// Where it was listed already.
    names: Option<Names>,
    id: Id,
    pub(super) place: RuleCursor,
    /// Those of the directories above it.
    above: Vec<Id>,
}

/// A directory whose entries are being added.
struct Level {
    opened: OpenDirectory,
    node: Node,
    names: Names,
    next: usize,
}

impl InotifyWatcher {
    /// Makes the map right at a path, whatever happened there; whether it was wrong.
    pub(super) fn reconcile(&mut self, path: &[u8]) -> bool {
        let (above, name) = split(path);
        if path.is_empty() {
            return false;
        }
        let there = self.tree.find(path);
        self.left_out.remove(path);
        let opened = self.open(path).map(|opened| {
            let added = self.watch(&opened);
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
            self.rules.forget();
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
        let others = [canary, self.base.outside];
        for descriptor in std::mem::take(&mut self.unused) {
            if self.tree.behind(descriptor).is_empty() && !others.contains(&Some(descriptor)) {
                self.inotify.remove(descriptor);
            }
        }
    }

    pub(super) fn open_root(&mut self) -> Option<OpenDirectory> {
        self.base.doors = Doors::of(&self.base.root).within(bounds::WATCH_ANSWER);
        let opened = self.base.doors.root().ok()?;
        let scope = &self.rules.scope;
        let place = scope.root_policy().map(|_| scope.root())?;
        let (_, held) = hold(opened).ok()?;
        Some(OpenDirectory { place, ..held })
    }

    /// Watches a directory that is open.
    pub(super) fn watch(&self, opened: &OpenDirectory) -> Result<Descriptor, Errno> {
        let Some(device) = opened.directory.remote else {
            return self.inotify.add(opened.directory.fd.as_fd());
        };
        let (inotify, directory) = (self.inotify.adder(), opened.directory.clone());
        let answer = self
            .base
            .doors
            .ask(device, move || inotify.add(directory.fd.as_fd()));
        answer.unwrap_or_else(|unanswered| Err(unanswered.errno()))
    }

    /// Opens the directory at a path as a walk would come to it; nothing if none would.
    pub(super) fn open(&mut self, path: &[u8]) -> Option<OpenDirectory> {
        let mut opened = self.open_root()?;
        let mut end = 0;
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            end += name.len() + usize::from(end > 0);
            opened = match self.open_entry(&opened, name, &path[..end])? {
                Ok(opened) => opened,
                Err(errno) => {
                    self.leave_out(path.to_vec(), errno);
                    return None;
                }
            };
        }
        Some(opened)
    }

    /// Opens an entry of a directory, if it is a directory that a walk would enter. `path` is its path.
    fn open_entry(
        &mut self,
        directory: &OpenDirectory,
        name: &[u8],
        path: &[u8],
    ) -> Option<Result<OpenDirectory, Errno>> {
        let policy = self.rules.scope.reach(&directory.place, name)?;
        let cross_mounts = policy.demand.cross_mounts;
        let opened = match self
            .base
            .doors
            .open(&directory.directory, name, path, cross_mounts)
        {
            Ok(opened) => opened,
            Err(Shut::Gone | Shut::Other | Shut::Blind(Blindness::Mount)) => return None,
            Err(Shut::Blind(Blindness::Refused(_, errno))) => return Some(Err(errno)),
            Err(Shut::Blind(_)) => return Some(Err(Errno::TIMEDOUT)),
        };
        let (stat, held) = match hold(opened) {
            Ok(held) => held,
            Err(errno) => return Some(Err(errno)),
        };
        // A subvolume of btrfs has a device of its own and is no mount.
        let mounted = stat.mount_root || self.base.doors.mount(path).is_some();
        let mut above = directory.above.clone();
        above.push(directory.id);
        if (mounted && !cross_mounts) || above.contains(&stat.id) {
            return None;
        }
        Some(Ok(OpenDirectory {
            place: self.rules.scope.enter(&directory.place, name),
            above,
            ..held
        }))
    }

    /// Adds what lies below a directory that has just been added. `path` is its path.
    pub(super) fn fill(&mut self, node: Node, opened: OpenDirectory, mut path: Vec<u8>) {
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
            let below = join(&path, &name);
            let opened = match self.open_entry(&levels[levels.len() - 1].opened, &name, &below) {
                Some(Ok(opened)) => opened,
                Some(Err(errno)) => {
                    self.leave_out(below, errno);
                    continue;
                }
                None => continue,
            };
            if opened.above.len() > DEEPEST || below.len() > bounds::PATH {
                self.leave_out(below, Errno::NAMETOOLONG);
                continue;
            }
            let descriptor = match self.watch(&opened) {
                Ok(descriptor) => descriptor,
                Err(errno) => {
                    self.leave_out(below, errno);
                    continue;
                }
            };
            let Some(node) = self.tree.add(node, &name, descriptor) else {
                continue;
            };
            path = below;
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
    fn list(
        &mut self,
        node: Node,
        mut opened: OpenDirectory,
        path: &[u8],
        levels: &mut Vec<Level>,
    ) -> bool {
        let listed = match opened.names.take() {
            Some(names) => Ok(names),
            None => node::read_names(opened.directory.fd.as_fd()),
        };
        match listed {
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
        self.left_out.insert(path, why(errno));
    }
}

/// A directory to hold on to, of which it is not said yet where it stands.
fn hold(opened: door::OpenedDirectory) -> Result<(Stat, OpenDirectory), Errno> {
    let door::OpenedDirectory { fd, seen, remote } = opened;
    let (stat, names) = match seen {
        Some((stat, names)) => (stat, Some(names)),
        None => (node::stat(&fd)?, None),
    };
    let id = stat.id;
    let directory = Arc::new(Directory {
        fd,
        // Nobody asks.
        path: Box::default(),
        remote,
    });
    let held = OpenDirectory {
        directory,
        names,
        id,
        place: RuleCursor::default(),
        above: Vec::new(),
    };
    Ok((stat, held))
}

/// Why a directory is not watched, for a person.
fn why(errno: Errno) -> String {
    match errno {
        Errno::NOSPC => {
            "the kernel gives no more watches: raise fs.inotify.max_user_watches".to_owned()
        }
        Errno::MFILE | Errno::NFILE => "too many open files: raise LimitNOFILE".to_owned(),
        Errno::TIMEDOUT => "a file system gave no answer in time".to_owned(),
        Errno::NAMETOOLONG => format!(
            "directories nested more than {DEEPEST} deep, or with paths of more than {} KiB",
            bounds::PATH >> 10
        ),
        errno => format!("a directory cannot be watched: {errno}"),
    }
}
