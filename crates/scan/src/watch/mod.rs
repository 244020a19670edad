//! What is touched. The watch never judges; it says which paths to look at again, and who touched them.
//!
//! ```text
//! inotify, mount table ─► Notice::Touched ─► Debouncer (quiet?) ─► files::spot (probe, judge) ─► findings
//! fanotify ─► Notice::Touched, and Watch::actor                 Canary: the same way, to see that it is open
//! ```
//! One thread waits for the kernel and for nothing else: while nothing happens it does not wake. It is told what is
//! in scope and watches each directory of that, none that is left out.

pub mod attribution;
pub mod brief;
pub mod canary;
pub mod debounce;
mod inotify;
mod inotify_watcher;
mod mounts;
mod quiet;
mod tree;

use crate::files::linked::Linked;
use crate::files::scope::Scope;
use agent_core::change::Actor;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;
use agent_core::task::{self, Job};
use attribution::{Actors, Attribution, Status};
use brief::BriefMount;
use inotify::Inotify;
use inotify_watcher::InotifyWatcher;
use mounts::Mounts;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The part of its job that attributes changes, for the last word of a process that panics.
pub const ATTRIBUTION: &str = "attribution";

/// What is watched, and how.
#[derive(Debug)]
pub struct Options {
    /// The tree, as [`agent_core::os::root::Root::open`] takes it. Opened anew should it be replaced.
    pub root: PathBuf,
    /// Which directories are watched.
    pub scope: Arc<Scope>,
    /// Files that are watched themselves, since they have names elsewhere.
    pub linked: Arc<Linked>,
    /// The directory of the [`canary::Canary`], which need not be in scope; made where it is not there.
    pub canary: Option<PathBuf>,
    /// Attribution; `None`: off.
    pub attribution: Option<attribution::Options>,
}

/// A path was touched: look at it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Relative to the root; [`canary::KEY`] for the canary.
    pub path: Vec<u8>,
    /// Whether everything below it is to be looked at again: a directory came, went, or was mounted over.
    /// Set for everything but directories that stayed where they are.
    pub below: bool,
    /// Whether the path itself was changed, rather than looked at for what is beside it.
    pub itself: bool,
}

/// What the watch says.
#[derive(Debug)]
pub enum Notice {
    /// These paths were touched.
    Touched(Vec<Touch>),
    /// These were mounted and are no more.
    MountedBriefly(Vec<BriefMount>),
    /// What is watched. The first one means that the set-up is done: a scan that begins after it misses nothing.
    /// After that, whenever what is left out has changed, and after [`Watch::renew`].
    Coverage(Coverage),
    /// Events were lost. All directories are watched again when this is said: scan everything.
    Overflow,
    /// So many watches were taken away by another process. All directories are watched again when this is said: scan
    /// everything.
    WatchesTaken(u64),
    /// The tree is another one than before (replaced, mounted over, unmounted) and is watched anew: open it again, and
    /// scan everything.
    RootReplaced,
    /// Whether changes are attributed.
    Attribution(attribution::Status),
    /// The watch is at its end: why.
    Failed(String),
}

/// What is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Directories with a watch.
    pub directories: u64,
    /// Regions (each a directory with everything below it) that are not watched, and have to be scanned at a short
    /// interval instead. Relative to the root. At most [`MOST_LEFT_OUT`]: beyond that they are put together.
    pub left_out: Vec<Vec<u8>>,
    /// Why, for a person; where something is left out.
    pub reason: Option<String>,
    /// Files that are watched themselves.
    pub linked: LinkedFiles,
}

/// Recorded files with several names: a write through a name outside the watched directories is seen by a watch of the
/// file itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkedFiles {
    /// Recorded paths whose files are watched themselves.
    pub watched: u64,
    /// Recorded paths of files with several names that are not.
    pub unwatched: u64,
    /// Why, for a person; where some are not.
    pub reason: Option<String>,
}

/// Files watched themselves take this part of the watches that the kernel gives; the rest is for directories.
const PART: usize = 8;
/// Recorded paths whose files are watched themselves, at most: each costs the kernel about 1 KiB that it does not give
/// back while the file is watched.
// Own bound: what is beyond is told, and a scan finds it.
const MOST_LINKED: usize = 8192;

/// How many recorded paths of files with several names may be watched themselves here: an eighth of
/// `fs.inotify.max_user_watches`, and 8,192 at most.
pub fn most_linked() -> usize {
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
    let limit: Option<usize> = limit.ok().and_then(|text| text.trim().parse().ok());
    limit.map_or(0, |limit| (limit / PART).min(MOST_LINKED))
}

/// As many regions are named as left out.
// Own bound: more of them are put together.
pub const MOST_LEFT_OUT: usize = 256;

/// The watch under way. Ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    orders: Arc<Orders>,
    directories: Arc<AtomicU64>,
    actors: Actors,
}

/// What the threads are asked to do; the descriptors wake them.
#[derive(Debug)]
struct Orders {
    wake: OwnedFd,
    end_of_attribution: OwnedFd,
    renew: AtomicBool,
    end: AtomicBool,
}

impl Watch {
    /// Starts the threads; `emit` is called on them and may block: the kernel queues, and at worst tells of an
    /// overflow. An error if the kernel gives no inotify instance or the tree cannot be opened.
    pub fn start(options: Options, emit: impl Fn(Notice) + Send + Sync + 'static) -> Result<Watch> {
        let root = Root::open(&options.root).map_err(|error| {
            Error::in_file(
                &options.root,
                format!("cannot be opened as a tree: {error}"),
            )
        })?;
        let inotify = Inotify::new().map_err(|errno| {
            let help = match errno {
                Errno::MFILE => "raise fs.inotify.max_user_instances",
                _ => "inotify(7) says what is missing",
            };
            Error::new(format!("the kernel gives no inotify instance: {errno}")).help(help)
        })?;
        let no_start = |error| Error::new(format!("the watch cannot start: {error}"));
        let descriptor = || {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            eventfd(0, flags).map_err(|errno| no_start(errno.into()))
        };
        let orders = Arc::new(Orders {
            wake: descriptor()?,
            end_of_attribution: descriptor()?,
            renew: AtomicBool::new(false),
            end: AtomicBool::new(false),
        });
        let directories = Arc::new(AtomicU64::new(0));
        let emit: Arc<dyn Fn(Notice) + Send + Sync> = Arc::new(emit);
        let actors = Actors::default();
        if let Some(attribution) = options.attribution {
            let (scope, emit, orders) = (options.scope.clone(), emit.clone(), orders.clone());
            let (path, actors) = (options.root.clone(), actors.clone());
            std::thread::Builder::new()
                .name("attribution".into())
                .spawn(move || {
                    task::begin(Job::Watch);
                    task::at_part(ATTRIBUTION);
                    match Attribution::new(attribution, path, scope, actors, emit.clone()) {
                        Ok(attribution) => attribution.run(&orders),
                        Err(why) => emit(Notice::Attribution(Status::Off(why))),
                    }
                })
                .map_err(no_start)?;
        }
        let (for_watcher, counted) = (orders.clone(), directories.clone());
        std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                task::begin(Job::Watch);
                let failed = emit.clone();
                // Opened here: the table is that of the thread's own namespace.
                let ended = Mounts::open().and_then(|mounts| {
                    let watcher =
                        InotifyWatcher::new(root, options, inotify, mounts, emit, counted);
                    Ok(wait(watcher, &for_watcher)?)
                });
                if let Err(error) = ended {
                    failed(Notice::Failed(error.to_string()));
                }
            })
            .map_err(no_start)?;
        Ok(Watch {
            orders,
            directories,
            actors,
        })
    }

    /// Watches everything anew, what was left out too; ends in [`Notice::Coverage`]. For every whole scan.
    pub fn renew(&self) {
        self.orders.renew.store(true, Ordering::Release);
        self.orders.wake();
    }

    /// Directories with a watch, now.
    pub fn directories(&self) -> u64 {
        self.directories.load(Ordering::Relaxed)
    }

    /// Who wrote to the path last, or moved or removed what it lay in, as far as anybody saw since then.
    pub fn actor(&self, path: &[u8], since: SystemTime) -> Option<Arc<Actor>> {
        self.actors.actor(path, since)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.orders.end.store(true, Ordering::Release);
        self.orders.wake();
        wake(&self.orders.end_of_attribution);
    }
}

impl Orders {
    fn wake(&self) {
        wake(&self.wake);
    }
}

fn wake(descriptor: &OwnedFd) {
    // Full means that it is awake.
    rustix::io::write(descriptor, &1u64.to_ne_bytes()).unwrap_or_default();
}

/// After events were lost everything is watched anew; this long lies between two such times, and three times as long
/// as the last one took.
const RESPITE: Duration = Duration::from_millis(250);
/// What was watched anew so short a time ago need not be.
const RENEWED: Duration = Duration::from_secs(1);
/// How often a tree that cannot be opened is tried again.
const AWAIT_ROOT: Duration = Duration::from_secs(1);

/// Waits for the kernel, and for orders.
fn wait(mut watcher: InotifyWatcher, orders: &Orders) -> std::result::Result<(), Errno> {
    watcher.renew();
    let mut not_before = Instant::now();
    loop {
        let now = Instant::now();
        let wake_at = match (watcher.is_behind(), watcher.lost, watcher.is_rootless()) {
            (true, ..) => Some(now),
            (false, true, _) => Some(not_before),
            (false, false, true) => Some(now + AWAIT_ROOT),
            (false, false, false) => None,
        };
        let due = [
            watcher.unsure.due(),
            watcher.mounts.due(),
            watcher.inventory.due(),
        ];
        let wake_at = wake_at.into_iter().chain(due.into_iter().flatten()).min();
        let (events, mounts, ordered) = {
            let mut fds = [
                PollFd::from_borrowed_fd(watcher.inotify.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(watcher.mounts.as_fd(), PollFlags::PRI),
                PollFd::new(&orders.wake, PollFlags::IN),
            ];
            let left = wake_at.map(|at| at.saturating_duration_since(now));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            let said = |index: usize| !fds[index].revents().is_empty();
            (said(0), said(1), said(2))
        };
        if ordered {
            rustix::io::read(&orders.wake, &mut [0; 8]).unwrap_or_default();
        }
        if orders.end.load(Ordering::Acquire) {
            return Ok(());
        }
        if mounts {
            watcher.unsure.mounts();
            watcher.mounts.stir(Instant::now());
        }
        if watcher
            .mounts
            .due()
            .is_some_and(|due| due <= Instant::now())
        {
            watcher.look_at_mounts();
        }
        if events || watcher.is_behind() {
            watcher.take_events()?;
        }
        if watcher.unsure.take() {
            watcher.make_sure();
        }
        if watcher.inventory.take(Instant::now()) {
            watcher.take_inventory();
        }
        if watcher.is_rootless() {
            watcher.check_root();
        }
        if orders.renew.swap(false, Ordering::AcqRel) {
            // Whoever was told of an overflow orders it again.
            if watcher.renewed.elapsed() > RENEWED {
                watcher.renew();
            }
            watcher.tell_coverage_again();
        }
        let begun = Instant::now();
        if watcher.lost && begun >= not_before {
            watcher.lost = false;
            watcher.renew();
            watcher.overflowed();
            not_before = Instant::now() + RESPITE.max(3 * begun.elapsed());
        }
    }
}
