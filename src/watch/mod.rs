//! Eye 4: what is touched. It never judges; it says which paths to look at again, and who touched them.
//!
//! ```text
//! inotify, mount table ─► Notice::Touched ─► Settle (quiet?) ─► files::spot (observe, judge) ─► findings
//! fanotify ─► Notice::Touched, and Watch::actor                 Canary: the same way, to see that it is open
//! ```
//! One thread waits for the kernel and for nothing else: while nothing happens it does not wake. It is told what is
//! in scope and watches each directory of that, none that is left out.

pub mod attribution;
pub mod canary;
pub mod settle;

use crate::cause::Actor;
use crate::error::Result;
use crate::files::scope::Scope;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// What is watched, and how.
#[derive(Debug)]
pub struct Options {
    /// The tree, as [`crate::os::root::Root::open`] takes it. Opened anew should it be replaced.
    pub root: PathBuf,
    /// Which directories are watched.
    pub scope: Arc<Scope>,
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
    /// What is watched. The first one means that the set-up is done: a scan that begins after it misses nothing.
    /// After that, whenever it has changed.
    Coverage(Coverage),
    /// Events were lost. All directories are watched again when this is said: scan everything.
    Overflow,
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
}

/// As many regions are named as left out.
pub const MOST_LEFT_OUT: usize = 256;

/// The watch under way. Ends when it is dropped.
#[derive(Debug)]
pub struct Watch {}

impl Watch {
    /// Starts the threads; `emit` is called on them and may block: the kernel queues, and at worst tells of an
    /// overflow. An error if the kernel gives no inotify instance or the tree cannot be opened.
    pub fn start(options: Options, emit: impl Fn(Notice) + Send + Sync + 'static) -> Result<Watch> {
        let _ = (options, emit);
        todo!()
    }

    /// Watches everything anew, what was left out too; ends in [`Notice::Coverage`]. For every whole scan.
    pub fn renew(&self) {
        todo!()
    }

    /// Who wrote to the path last, or moved or removed what it lay in, as far as anybody saw since then.
    pub fn actor(&self, path: &[u8], since: SystemTime) -> Option<Arc<Actor>> {
        let _ = (path, since);
        todo!()
    }
}
