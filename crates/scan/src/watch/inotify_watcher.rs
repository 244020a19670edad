//! The thread that waits for the kernel: events in, notices out, and the map of watched directories kept right.
//!
//! Of an event only the place counts, never the story: where a directory came, went or moved, its path is opened again
//! and what is there now is compared with the map ([`InotifyWatcher::reconcile`]). So events may come late, twice, or in
//! an order that makes no sense any more. A directory is watched before its entries are listed, and told as touched
//! after everything below it is watched, so that nothing made in between is missed.

mod inventory;
mod keep;
mod left_out;
mod linked;
mod mounted;
mod reporter;
mod rules;
mod unsure;

use super::canary;
use super::inotify::{Event, Inotify};
use super::mounts::Mounts;
use super::tree::{Descriptor, Node, ROOT, Tree};
use super::{Coverage, Notice, Options, Touch};
use crate::files::door::Doors;
use crate::files::probe::join;
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_core::paths::{self, is_within};
use inventory::Inventory;
use keep::OpenDirectory;
use left_out::LeftOut;
use linked::Files;
use reporter::Reporter;
use rules::{Concern, Rules};
use rustix::fs::inotify::ReadFlags;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;
use unsure::Unsure;

/// Events that are worked off together.
const BATCH: usize = 4096;

const STRUCTURE: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO);
const OF_ITSELF: ReadFlags = ReadFlags::IGNORED
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF);

/// The tree that is watched: how it is come to, and whether it is there.
struct Base {
    root: Root,
    doors: Doors,
    path: PathBuf,
    /// The directory that the tree lies in: while the tree is open here, its removal is told there alone.
    outside: Option<Descriptor>,
    /// The tree cannot be opened.
    missing: bool,
}

impl Base {
    fn new(root: Root) -> Base {
        Base {
            path: root.path().to_owned(),
            doors: Doors::of(&root),
            root,
            outside: None,
            missing: false,
        }
    }
}

/// Watches a tree. All of it happens on one thread.
pub(super) struct InotifyWatcher {
    base: Base,
    rules: Rules,
    pub(super) inotify: Inotify,
    pub(super) mounts: Mounts,
    tree: Tree,
    files: Files,
    left_out: LeftOut,
    canary: Option<(PathBuf, Option<Descriptor>)>,
    waiting: Vec<Event>,
    pub(super) unsure: Unsure,
    pub(super) inventory: Inventory,
    /// Descriptors that may stand for nothing any more.
    unused: Vec<Descriptor>,
    /// Events were lost and not everything has been watched anew since.
    pub(super) lost: bool,
    /// When everything was watched anew.
    pub(super) renewed: Instant,
    reporter: Reporter,
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
            base: Base::new(root),
            rules: Rules::new(options.scope),
            inotify,
            mounts,
            tree: Tree::default(),
            files: Files::new(options.linked),
            left_out: LeftOut::default(),
            canary: options.canary.map(|directory| (directory, None)),
            waiting: Vec::new(),
            unsure: Unsure::default(),
            inventory: Inventory::default(),
            unused: Vec::new(),
            lost: false,
            renewed: Instant::now(),
            reporter: Reporter::new(emit, directories),
        }
    }

    /// Watches everything anew. What is watched and stays so is watched without a gap.
    pub(super) fn renew(&mut self) {
        let old: Vec<Descriptor> = self.tree.descriptors().collect();
        self.tree = Tree::default();
        self.rules.forget();
        self.left_out.clear();
        if let Some((directory, descriptor)) = &mut self.canary {
            *descriptor = node::open_dir_path(directory)
                .and_then(|fd| self.inotify.add(fd.as_fd()))
                .ok();
        }
        self.base.outside = self
            .base
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
            if self.base.outside == Some(event.descriptor)
                && event.name.as_deref() == self.base.path.file_name().map(OsStrExt::as_bytes)
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
        self.reporter.touched(touched);
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
        self.reporter.touched(touched);
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
        let structure = what.intersects(STRUCTURE);
        match self.rules.concern(node, directory, name) {
            Concern::Entry => {}
            Concern::Directory if structure => {
                touched.push(alone(directory.to_vec(), false));
                return;
            }
            Concern::Directory | Concern::Nobody => return,
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
            self.inventory.begin(Instant::now());
        }
    }

    /// Compares the map with what the kernel has; what was taken away is watched anew.
    pub(super) fn take_inventory(&mut self) {
        // Without the kernel's word nothing can be said.
        let Ok(watches) = self.inotify.watches() else {
            return;
        };
        let known = self.tree.descriptors().chain(self.files.descriptors());
        let missing = known.filter(|descriptor| watches.binary_search(descriptor).is_err());
        let missing = missing.collect();
        let taken = self.inventory.compare(missing, Instant::now());
        if taken > 0 {
            self.renew();
            self.reporter.notice(Notice::WatchesTaken(taken as u64));
        }
    }

    /// Whether the tree is still the one at its path; if not, it is watched anew.
    pub(super) fn check_root(&mut self) {
        let own = node::stat(self.base.root.as_fd()).map(|stat| stat.id);
        // Not opened where it is the same: what is mounted over it may be about to be unmounted.
        let found = node::stat_path(&self.base.path).map(|stat| stat.id);
        if !self.base.missing && found.is_ok() && found == own {
            return;
        }
        match Root::open(&self.base.path) {
            Ok(found) => {
                self.base.root = found;
                self.base.missing = false;
                self.renew();
                self.reporter.notice(Notice::RootReplaced);
            }
            Err(error) => {
                self.base.missing = true;
                self.unused.extend(self.tree.remove(ROOT));
                self.drop_unused();
                self.rules.forget();
                self.left_out.clear();
                let reason = format!("the tree cannot be opened: {error}");
                self.left_out.insert(Vec::new(), reason);
                self.tell_coverage();
            }
        }
    }

    fn tell_coverage(&mut self) {
        let (left_out, reason) = self.left_out.told();
        self.reporter.coverage(Coverage {
            directories: self.tree.len() as u64,
            left_out,
            reason,
            linked: self.files.told(),
        });
    }

    /// Whether the tree cannot be opened.
    pub(super) fn is_rootless(&self) -> bool {
        self.base.missing
    }

    /// Tells that events were lost.
    pub(super) fn overflowed(&self) {
        self.reporter.notice(Notice::Overflow);
    }

    /// Tells what is watched, changed or not.
    pub(super) fn tell_coverage_again(&mut self) {
        self.reporter.forget();
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
