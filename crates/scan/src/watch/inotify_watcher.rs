//! The thread that waits for the kernel: events in, notices out, and the map of watched directories kept right.
//!
//! Of an event only the place counts, never the story: where a directory came, went or moved, its path is opened again
//! and what is there now is compared with the map ([`InotifyWatcher::reconcile`]). So events may come late, twice, or in
//! an order that makes no sense any more. A directory is watched before its entries are listed, and told as touched
//! after everything below it is watched, so that nothing made in between is missed.
// Long: its 22 fields are still to be grouped.

mod keep;
mod linked;
mod unsure;

use super::canary;
use super::inotify::{Event, Inotify};
use super::mounts::Mounts;
use super::tree::{Descriptor, Node, ROOT, Tree};
use super::{Coverage, Notice, Options, Touch};
use crate::files::door::Doors;
use crate::files::probe::join;
use crate::files::scope::{PathPolicy, RuleCursor, Scope};
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_core::paths::{self, is_within};
use keep::Opened;
use linked::Files;
use rustix::fs::inotify::ReadFlags;
use rustix::io::Errno;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use unsure::Unsure;

/// Events that are worked off together.
const BATCH: usize = 4096;
/// As many places are kept.
const MOST_PLACES: usize = 1024;

const STRUCTURE: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO);
const OF_ITSELF: ReadFlags = ReadFlags::IGNORED
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF);

/// Watches a tree. All of it happens on one thread.
pub(super) struct InotifyWatcher {
    root: Root,
    doors: Doors,
    path: PathBuf,
    scope: Arc<Scope>,
    pub(super) inotify: Inotify,
    pub(super) mounts: Mounts,
    tree: Tree,
    /// Where directories stand in the rules, of those that were asked for of late.
    places: Places,
    files: Files,
    left_out: BTreeSet<Vec<u8>>,
    reason: Option<String>,
    canary: Option<(PathBuf, Option<Descriptor>)>,
    /// The directory that the tree lies in: while the tree is open here, its removal is told there alone.
    outside: Option<Descriptor>,
    waiting: Vec<Event>,
    pub(super) unsure: Unsure,
    /// Descriptors that may stand for nothing any more.
    unused: Vec<Descriptor>,
    /// Events were lost and not everything has been watched anew since.
    pub(super) lost: bool,
    /// When everything was watched anew.
    pub(super) renewed: Instant,
    /// The tree cannot be opened.
    pub(super) rootless: bool,
    emit: Arc<dyn Fn(Notice) + Send + Sync>,
    told: Option<Coverage>,
    directories: Arc<AtomicU64>,
}

/// Where directories stand in the rules.
#[derive(Default)]
struct Places(HashMap<Node, (RuleCursor, PathPolicy)>);

impl Places {
    fn get(&mut self, scope: &Scope, node: Node, path: &[u8]) -> Option<&(RuleCursor, PathPolicy)> {
        if self.0.len() > MOST_PLACES {
            self.0.clear();
        }
        let found = match self.0.entry(node) {
            Slot::Occupied(found) => found.into_mut(),
            Slot::Vacant(slot) => {
                let mut place = scope.root();
                let mut policy = scope.root_policy()?;
                for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
                    policy = scope.reach(&place, name)?;
                    place = scope.enter(&place, name);
                }
                slot.insert((place, policy))
            }
        };
        Some(found)
    }
}

impl InotifyWatcher {
    pub(super) fn new(
        root: Root,
        options: Options,
        inotify: Inotify,
        mounts: Mounts,
        emit: Arc<dyn Fn(Notice) + Send + Sync>,
        directories: Arc<AtomicU64>,
    ) -> InotifyWatcher {
        InotifyWatcher {
            path: root.path().to_owned(),
            doors: Doors::of(&root),
            root,
            scope: options.scope,
            inotify,
            mounts,
            tree: Tree::default(),
            places: Places::default(),
            files: Files::new(options.linked),
            left_out: BTreeSet::new(),
            reason: None,
            canary: options.canary.map(|directory| (directory, None)),
            outside: None,
            waiting: Vec::new(),
            unsure: Unsure::default(),
            unused: Vec::new(),
            lost: false,
            renewed: Instant::now(),
            rootless: false,
            emit,
            told: None,
            directories,
        }
    }

    /// Watches everything anew. What is watched and stays so is watched without a gap.
    pub(super) fn renew(&mut self) {
        let old: Vec<Descriptor> = self.tree.descriptors().collect();
        self.tree = Tree::default();
        self.places.0.clear();
        self.left_out.clear();
        self.reason = None;
        if let Some((directory, descriptor)) = &mut self.canary {
            *descriptor = node::open_dir_path(directory)
                .and_then(|fd| self.inotify.add(fd.as_fd()))
                .ok();
        }
        self.outside = self
            .path
            .parent()
            .and_then(|outside| node::open_dir_path(outside).ok())
            .and_then(|fd| self.inotify.add_for_names(fd.as_fd()).ok());
        if let Some(opened) = self.open_root() {
            match self.watch(&opened) {
                Ok(descriptor) => {
                    let node = self.tree.plant(descriptor);
                    self.fill(node, opened, Vec::new());
                }
                Err(errno) => self.leave_out(Vec::new(), errno),
            }
        }
        self.unused.extend(old);
        // What changed while nobody saw is found by the scan that follows.
        self.relink(b"");
        self.drop_unused();
        self.renewed = Instant::now();
        self.tell_coverage();
    }

    /// Takes what waits and what the kernel has, and works it off.
    pub(super) fn take_events(&mut self) -> Result<(), Errno> {
        let mut events = std::mem::take(&mut self.waiting);
        self.inotify.read(&mut events, BATCH)?;
        self.work_off(events);
        Ok(())
    }

    /// Whether there is work that the kernel does not know of.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn work_off(&mut self, events: Vec<Event>) {
        let mut touched = Vec::new();
        for event in events {
            if event.what.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.lost = true;
                continue;
            }
            self.see_canary(&event);
            if self.outside == Some(event.descriptor)
                && event.name.as_deref() == self.path.file_name().map(OsStrExt::as_bytes)
            {
                self.unsure.root();
            }
            if self.files.holds(event.descriptor) {
                self.of_file(&event, &mut touched);
                continue;
            }
            let nodes: Vec<Node> = self.tree.behind(event.descriptor).to_vec();
            for node in nodes {
                let directory = self.tree.path(node);
                if event.what.intersects(OF_ITSELF) {
                    if node == ROOT {
                        self.unsure.root();
                    }
                    self.unsure.path(directory);
                    continue;
                }
                match &event.name {
                    Some(name) => self.entry(node, &directory, name, event.what, &mut touched),
                    // Its attributes.
                    None => touched.push(alone(directory, true)),
                }
            }
        }
        if self.unsure.is_empty() && std::mem::take(&mut self.unsure.canary) {
            touched.push(whole(canary::KEY.to_vec()));
        }
        self.touch(touched);
        self.tell_coverage();
    }

    /// Looks at what was in doubt: the mount table, the root, what came, went or moved.
    pub(super) fn make_sure(&mut self) {
        let doubts = std::mem::take(&mut self.unsure);
        if doubts.mounts {
            self.take_mounts();
        }
        if doubts.root {
            self.check_root();
        }
        let mut unsure: Vec<Vec<u8>> = doubts.paths.into_iter().collect();
        unsure.sort_unstable_by(|a, b| paths::compare(a, b));
        let mut touched = Vec::new();
        let mut anew: Option<Vec<u8>> = None;
        for path in unsure {
            // All of it was looked at after the last of these events.
            if anew.as_ref().is_some_and(|anew| is_within(&path, anew)) {
                continue;
            }
            let changed = self.reconcile(&path);
            if changed || self.files.wants(&path) {
                touched.extend(self.relink(&path));
            }
            if changed {
                touched.push(whole(path.clone()));
                anew = Some(path);
            }
        }
        self.drop_unused();
        // The last of all: when it comes back, all that was done before it has been told.
        if doubts.canary {
            touched.push(whole(canary::KEY.to_vec()));
        }
        self.touch(touched);
        self.tell_coverage();
    }

    /// What an event on an entry of a directory means.
    fn entry(
        &mut self,
        node: Node,
        directory: &[u8],
        name: &[u8],
        what: ReadFlags,
        touched: &mut Vec<Touch>,
    ) {
        let Some((place, policy)) = self.places.get(&self.scope, node, directory) else {
            return;
        };
        let structure = what.intersects(STRUCTURE);
        if self.scope.reach(place, name).is_none() {
            // Whether the directory has such entries decides what its own times say; one that only leads has none.
            if structure && !policy.leads {
                touched.push(alone(directory.to_vec(), false));
            }
            return;
        }
        let path = join(directory, name);
        match (what.contains(ReadFlags::ISDIR), structure) {
            (true, false) => touched.push(alone(path, true)),
            (true, true) => {
                self.unsure.path(path.clone());
                touched.push(whole(path));
            }
            (false, _) => {
                if structure && self.files.wants(&path) {
                    self.unsure.path(path.clone());
                }
                touched.push(whole(path));
            }
        }
    }

    /// What an event on a file that is watched itself means: all of its paths were touched.
    fn of_file(&mut self, event: &Event, touched: &mut Vec<Touch>) {
        let paths: Vec<Vec<u8>> = self
            .files
            .behind(event.descriptor)
            .map(<[u8]>::to_vec)
            .collect();
        if !event.what.intersects(OF_ITSELF) {
            touched.extend(paths.into_iter().map(whole));
            return;
        }
        self.files.forget(event.descriptor);
        for path in paths {
            self.unsure.path(path);
        }
    }

    fn see_canary(&mut self, event: &Event) {
        let Some((_, descriptor)) = &mut self.canary else {
            return;
        };
        if *descriptor != Some(event.descriptor) {
            return;
        }
        if event.what.contains(ReadFlags::IGNORED) {
            *descriptor = None;
        } else if event.name.as_deref() == Some(canary::NAME.as_bytes()) {
            self.unsure.canary = true;
        }
    }

    /// What was mounted and unmounted.
    fn take_mounts(&mut self) {
        let Ok(places) = self.mounts.changed() else {
            return;
        };
        let own = self.path.as_os_str().as_bytes().to_vec();
        if places
            .iter()
            .any(|place| is_within(&own, place.strip_suffix(b"/").unwrap_or(place)))
        {
            self.check_root();
        }
        let base = own.strip_suffix(b"/").unwrap_or(&own);
        let mut touched = Vec::new();
        for place in &places {
            let Some([b'/', path @ ..]) = place.strip_prefix(base) else {
                continue;
            };
            if self.scope.at(path).is_some() {
                self.reconcile(path);
                touched.extend(self.relink(path));
                touched.push(whole(path.to_vec()));
            }
        }
        self.drop_unused();
        self.touch(touched);
        self.tell_coverage();
    }

    /// Whether the tree is still the one at its path; if not, it is watched anew.
    pub(super) fn check_root(&mut self) {
        let own = node::stat(self.root.as_fd()).map(|stat| stat.id);
        // Not opened where it is the same: what is mounted over it may be about to be unmounted.
        let found = node::stat_path(&self.path).map(|stat| stat.id);
        if !self.rootless && found.is_ok() && found == own {
            return;
        }
        match Root::open(&self.path) {
            Ok(found) => {
                self.root = found;
                self.rootless = false;
                self.renew();
                (self.emit)(Notice::RootReplaced);
            }
            Err(error) => {
                self.rootless = true;
                self.unused.extend(self.tree.remove(ROOT));
                self.drop_unused();
                self.places.0.clear();
                self.left_out = [Vec::new()].into();
                self.reason = Some(format!("the tree cannot be opened: {error}"));
                self.tell_coverage();
            }
        }
    }

    fn touch(&self, touched: Vec<Touch>) {
        if !touched.is_empty() {
            (self.emit)(Notice::Touched(touched));
        }
    }

    /// Tells what is watched, the first time and where the regions that are left out have changed.
    fn tell_coverage(&mut self) {
        let directories = self.tree.len() as u64;
        self.directories.store(directories, Ordering::Relaxed);
        if self.left_out.is_empty() {
            self.reason = None;
        }
        let coverage = Coverage {
            directories,
            left_out: self.left_out.iter().cloned().collect(),
            reason: self.reason.clone(),
            linked: self.files.told(),
        };
        let same = |told: &Coverage| {
            told.left_out == coverage.left_out && told.linked.reason == coverage.linked.reason
        };
        if !self.told.as_ref().is_some_and(same) {
            self.told = Some(coverage.clone());
            (self.emit)(Notice::Coverage(coverage));
        }
    }

    /// Tells that events were lost.
    pub(super) fn overflowed(&self) {
        (self.emit)(Notice::Overflow);
    }

    /// Tells what is watched, changed or not.
    pub(super) fn tell_coverage_again(&mut self) {
        self.told = None;
        self.tell_coverage();
    }
}

fn whole(path: Vec<u8>) -> Touch {
    Touch {
        path,
        below: true,
        itself: true,
    }
}

fn alone(path: Vec<u8>, itself: bool) -> Touch {
    Touch {
        path,
        below: false,
        itself,
    }
}
