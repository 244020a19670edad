//! Who did it: the process that wrote last, by fanotify(7), where kernel and capabilities allow.
//!
//! One thread reads the events of whole file systems, drops those that concern nothing in scope, and reads `/proc` for
//! the others at once: a process that has ended tells no more than its number. Notification alone, never a permission
//! event: the agent can hold nobody up. Its events are touches too: it sees what inotify is blind for.

// Three system calls.
#[allow(unsafe_code)]
mod fanotify;
mod handles;
mod process;
mod ring;

use super::mounts::Mounts;
use super::quiet::Quiet;
use super::{Notice, Orders, Touch};
use crate::files::probe::join;
use crate::files::scope::{RuleCursor, Scope};
use agent_core::change::Actor;
use agent_core::os::root::Root;
use agent_core::os::{node, procfs};
use fanotify::{Event, Fanotify, FileSystem, Handle};
use handles::{file_system, is_alive, open};
use ring::Ring;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How changes are attributed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether the arguments of commands are given; else they are masked.
    pub arguments: bool,
}

/// Whether changes are attributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// They are, on that many file systems.
    On(usize),
    /// They are on so many, and not on all: why, in one line.
    Partly(usize, String),
    /// They are not: why, in one line.
    Off(String),
}

/// Who touched what, for the thread that asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Actors(Arc<Mutex<Ring>>);

impl Actors {
    /// See [`Ring::actor`].
    pub(super) fn actor(&self, path: &[u8], since: SystemTime) -> Option<Arc<Actor>> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.actor(path, since)
    }
}

/// What is read at a time.
const BUFFER: usize = 64 * 1024;
/// As many directories are known by their handles.
// Own bound: of what is remembered; the rest is asked for again.
const MOST_DIRECTORIES: usize = 4096;
/// What was read of a process stands for so long: it may run another program then.
const FRESH: Duration = Duration::from_millis(100);
/// This many events wait for the paths of their directories; with more, the paths are asked for at once.
// Own bound: of work that may wait; nothing is left out.
const MOST_WAITING: usize = 4096;
/// As many processes are kept.
// Own bound: likewise.
const MOST_PROCESSES: usize = 256;
/// What happened in a directory before the kernel was told to ignore it comes so late at most.
const IGNORED: Duration = Duration::from_secs(1);
/// More wakeups in a second than this, and the thread naps between them.
const BUSY: u32 = 500;
const NAP: Duration = Duration::from_millis(5);

/// Attributes changes until it is told to end.
pub(super) struct Attribution {
    fanotify: Fanotify,
    mounts: Mounts,
    path: PathBuf,
    scope: Arc<Scope>,
    arguments: bool,
    /// A directory on each file system, to open others by their handles. None is kept open: nobody could unmount it.
    file_systems: BTreeMap<FileSystem, Vec<u8>>,
    /// Of those out of scope, since when nothing should be told of them.
    directories: HashMap<Handle, Result<Located, Instant>>,
    processes: HashMap<u32, (Arc<Actor>, Instant)>,
    /// Events in directories whose paths are not known, and what came after them, with who did it and when. To ask for
    /// a path a directory is opened.
    waiting: Vec<(Event, Arc<Actor>, SystemTime)>,
    /// When they are asked for, and the mount table is looked at.
    quiet: Quiet,
    mounted: bool,
    actors: Actors,
    emit: Arc<dyn Fn(Notice) + Send + Sync>,
}

/// Where a directory lies, relative to the root, and where that stands in the rules.
struct Located {
    path: Box<[u8]>,
    place: RuleCursor,
}

impl Attribution {
    /// Asks for events. The text says why there are none.
    pub(super) fn new(
        options: Options,
        path: PathBuf,
        scope: Arc<Scope>,
        actors: Actors,
        emit: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Result<Attribution, String> {
        let fanotify = Fanotify::new().map_err(|errno| match errno {
            Errno::PERM => "attribution needs CAP_SYS_ADMIN for fanotify".to_owned(),
            Errno::INVAL => "attribution needs Linux 5.9 for fanotify with names".to_owned(),
            Errno::NOSYS => "the kernel is built without fanotify".to_owned(),
            errno => format!("no fanotify group: {errno}"),
        })?;
        let mounts = Mounts::open().map_err(|error| format!("no mount table: {error}"))?;
        Ok(Attribution {
            fanotify,
            mounts,
            path,
            scope,
            arguments: options.arguments,
            file_systems: BTreeMap::new(),
            directories: HashMap::new(),
            processes: HashMap::new(),
            waiting: Vec::new(),
            quiet: Quiet::default(),
            mounted: false,
            actors,
            emit,
        })
    }

    /// Works until it is told to end.
    pub(super) fn run(mut self, orders: &Orders) {
        let mut told = None;
        let mut buffer = vec![0; BUFFER];
        let (mut second, mut wakeups) = (Instant::now(), 0);
        self.tell(&mut told);
        loop {
            let (events, mounts) = {
                let mut fds = [
                    PollFd::from_borrowed_fd(self.fanotify.as_fd(), PollFlags::IN),
                    PollFd::from_borrowed_fd(self.mounts.as_fd(), PollFlags::PRI),
                    PollFd::new(&orders.end_of_attribution, PollFlags::IN),
                ];
                let left = self
                    .quiet
                    .due()
                    .map(|due| due.saturating_duration_since(Instant::now()));
                let timeout = left.and_then(|left| Timespec::try_from(left).ok());
                match poll(&mut fds, timeout.as_ref()) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return self.off(format!("attribution has ended: {errno}")),
                }
                (!fds[0].revents().is_empty(), !fds[1].revents().is_empty())
            };
            if orders.end.load(Ordering::Acquire) {
                return;
            }
            if mounts {
                self.mounted = true;
                self.quiet.stir(Instant::now());
            }
            if events {
                match self.fanotify.read(&mut buffer) {
                    Ok(events) => self.take(events),
                    Err(errno) => return self.off(format!("attribution has ended: {errno}")),
                }
                wakeups += 1;
                if second.elapsed() >= Duration::from_secs(1) {
                    (second, wakeups) = (Instant::now(), 0);
                }
                if wakeups > BUSY {
                    std::thread::sleep(NAP);
                }
            }
            if self.quiet.take(Instant::now()) || self.waiting.len() > MOST_WAITING {
                if std::mem::take(&mut self.mounted) {
                    self.mounts.changed().map(|_| ()).unwrap_or_default();
                    self.forget_directories();
                    self.tell(&mut told);
                }
                self.take_waiting();
            }
        }
    }

    fn off(&self, why: String) {
        (self.emit)(Notice::Attribution(Status::Off(why)));
    }

    /// Marks all file systems in scope, and tells where the answer is another one than before.
    fn tell(&mut self, told: &mut Option<Status>) {
        let status = self.mark();
        if told.as_ref() != Some(&status) {
            (self.emit)(Notice::Attribution(status.clone()));
            *told = Some(status);
        }
    }

    fn mark(&mut self) -> Status {
        self.file_systems.clear();
        let mut refused = None;
        let mut places = vec![Vec::new()];
        let table = agent_core::os::mounts::Mounts::now();
        let base = self.path.as_os_str().as_bytes();
        let base = base.strip_suffix(b"/").unwrap_or(base);
        for place in self.mounts.places() {
            let Some([b'/', path @ ..]) = place.strip_prefix(base) else {
                continue;
            };
            let crossed = self
                .scope
                .at(path)
                .is_some_and(|policy| policy.demand.cross_mounts);
            if !crossed || path.is_empty() {
                continue;
            }
            // To open it might take for ever, and what others do there is told to nobody here.
            if table.at(&place[1..]).is_some_and(|mount| mount.remote) {
                let shown = agent_core::escape::terminal_bytes(&agent_core::paths::subject(path));
                let why = "a server or a program answers for it";
                refused.get_or_insert(format!("no attribution on {shown}: {why}"));
                continue;
            }
            places.push(path.to_vec());
        }
        let Ok(root) = Root::open(&self.path) else {
            return Status::Off("the tree cannot be opened".to_owned());
        };
        for path in places {
            let Some(directory) = open(&root, &path) else {
                continue;
            };
            let marked = file_system(&directory).and_then(|file_system| {
                self.fanotify.mark(directory.as_fd())?;
                Ok(file_system)
            });
            match marked {
                Ok(file_system) => {
                    self.file_systems.entry(file_system).or_insert(path);
                }
                Err(errno) => {
                    let shown =
                        agent_core::escape::terminal_bytes(&agent_core::paths::subject(&path));
                    refused.get_or_insert(format!("no attribution on {shown}: {errno}"));
                }
            }
        }
        match (self.file_systems.len(), refused) {
            (0, Some(why)) => Status::Off(why),
            (0, None) => Status::Off("there is no file system to watch".to_owned()),
            (count, Some(why)) => Status::Partly(count, why),
            (count, None) => Status::On(count),
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        let mut touched: Vec<Touch> = Vec::new();
        for event in events {
            // What was lost here is attributed to nobody; inotify has seen it.
            if event.is_overflow() {
                continue;
            }
            let known = self.is_known(&event);
            // Behind one that waits all wait: who came last counts, and a directory may have moved.
            if known && self.waiting.is_empty() {
                // Not for what moves about out of scope: it stays there.
                if let Some(path) = self.path(&event) {
                    let actor = self.actor(&event);
                    self.give(&event, path, actor, SystemTime::now(), &mut touched);
                }
                continue;
            }
            if !known {
                self.quiet.stir(Instant::now());
            }
            // Who it was is read at once: the process may end.
            let actor = self.actor(&event);
            self.waiting.push((event, actor, SystemTime::now()));
        }
        self.touch(touched);
    }

    /// Asks for the paths of what waits.
    fn take_waiting(&mut self) {
        let mut touched: Vec<Touch> = Vec::new();
        for (event, actor, at) in std::mem::take(&mut self.waiting) {
            if let Some(path) = self.path(&event) {
                self.give(&event, path, actor, at, &mut touched);
            }
        }
        self.touch(touched);
    }

    /// Notes who did it, and what was touched: a path, and whether it is that of the directory itself.
    fn give(
        &mut self,
        event: &Event,
        (path, itself): (Vec<u8>, bool),
        actor: Arc<Actor>,
        at: SystemTime,
        touched: &mut Vec<Touch>,
    ) {
        if event.on_directory() && event.is_move() {
            // The paths of all that is below may have changed.
            self.forget_directories();
        }
        let whole = event.of_structure() && event.on_directory();
        let mut ring = self.actors.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.put(&path, actor, whole, event.is_mere_close(), at);
        drop(ring);
        let touch = Touch {
            below: !event.on_directory() || (whole && !itself),
            path,
            itself: true,
        };
        if touched.last() != Some(&touch) {
            touched.push(touch);
        }
    }

    fn touch(&self, touched: Vec<Touch>) {
        if !touched.is_empty() {
            (self.emit)(Notice::Touched(touched));
        }
    }

    /// Whether the path of its directory need not be asked for.
    fn is_known(&self, event: &Event) -> bool {
        let Some(handle) = &event.directory else {
            return true;
        };
        match self.directories.get(handle) {
            None => false,
            Some(Ok(_)) => true,
            // The kernel has forgotten that it should not tell, if it still does.
            Some(Err(since)) => since.elapsed() < IGNORED,
        }
    }

    /// The path that an event is about, if it is in scope, and whether it is that of the directory itself.
    fn path(&mut self, event: &Event) -> Option<(Vec<u8>, bool)> {
        let handle = event.directory.as_ref()?;
        if !self.is_known(event) {
            if self.directories.len() >= MOST_DIRECTORIES {
                self.directories.clear();
            }
            let found = self.find(handle).ok_or_else(Instant::now);
            self.directories.insert(handle.clone(), found);
        }
        let located = self.directories.get(handle)?.as_ref().ok()?;
        if *event.name == *b"." {
            return Some((located.path.to_vec(), true));
        }
        self.scope.reach(&located.place, &event.name)?;
        Some((join(&located.path, &event.name), false))
    }

    fn find(&self, handle: &Handle) -> Option<Located> {
        let mount = self.file_systems.get(&handle.file_system)?;
        let mount = open(&Root::open(&self.path).ok()?, mount)?;
        let directory = fanotify::open(mount.as_fd(), handle).ok()?;
        let path = procfs::path_of(directory.as_fd()).ok()?;
        let base = self.path.as_os_str().as_bytes();
        let base = base.strip_suffix(b"/").unwrap_or(base);
        let path = match path.strip_prefix(base) {
            Some(b"" | b"/") => &[][..],
            Some([b'/', path @ ..]) => path,
            _ => return self.ignore(&directory),
        };
        match self.place(path) {
            Some(place) => Some(Located {
                path: path.into(),
                place,
            }),
            None => self.ignore(&directory),
        }
    }

    /// Asks for no more events of a directory out of scope: busy logs and caches need not wake anybody.
    fn ignore(&self, directory: &OwnedFd) -> Option<Located> {
        if let Ok(directory) = node::open_dir(directory.as_fd(), b".") {
            // An older kernel refuses.
            self.fanotify.ignore(directory.as_fd()).unwrap_or_default();
        }
        None
    }

    /// Where a directory of that path stands in the rules, if it is in scope.
    fn place(&self, path: &[u8]) -> Option<RuleCursor> {
        let mut place = self.scope.root();
        self.scope.root_policy()?;
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            self.scope.reach(&place, name)?;
            place = self.scope.enter(&place, name);
        }
        Some(place)
    }

    fn forget_directories(&mut self) {
        self.directories.clear();
        self.fanotify.ignore_none().unwrap_or_default();
    }

    fn actor(&mut self, event: &Event) -> Arc<Actor> {
        let now = Instant::now();
        let fresh = |since: &Instant| now.duration_since(*since) < FRESH;
        if let Some((actor, since)) = self.processes.get(&event.pid)
            && (fresh(since) || event.process.is_none())
            && since.elapsed() < 100 * FRESH
        {
            // A number is not given again so soon; of a process that has ended this is all that can be known.
            return actor.clone();
        }
        let alive = || event.process.as_ref().is_none_or(is_alive);
        let actor = Arc::new(process::actor(event.pid, self.arguments, alive));
        if self.processes.len() >= MOST_PROCESSES {
            self.processes.clear();
        }
        self.processes.insert(event.pid, (actor.clone(), now));
        actor
    }
}
