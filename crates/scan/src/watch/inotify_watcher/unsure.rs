//! What the map may be wrong about, and when that is looked at. Pure.

use crate::watch::quiet::Quiet;
use std::collections::HashSet;
use std::time::Instant;

/// This many paths wait; with more, all are looked at at once.
// Own bound: of work that may wait; nothing is left out.
const MOST_PATHS: usize = 4096;

/// What the map may be wrong about.
#[derive(Debug, Default)]
pub(in crate::watch) struct Unsure {
    quiet: Quiet,
    /// By path: whether it is there, and is the one that is watched.
    pub(super) paths: HashSet<Vec<u8>>,
    /// Whether the tree is the one at its path.
    pub(super) root: bool,
    /// What the mount table says.
    pub(super) mounts: bool,
    /// The canary was changed: told when all that came before it has been.
    pub(super) canary: bool,
}

impl Unsure {
    /// The mount table has changed.
    pub(in crate::watch) fn mounts(&mut self) {
        self.mounts = true;
        self.quiet.stir(Instant::now());
    }

    /// The tree may be another one.
    pub(super) fn root(&mut self) {
        self.root = true;
        self.quiet.stir(Instant::now());
    }

    /// A directory, or a file that is watched itself, came, went or moved.
    pub(super) fn path(&mut self, path: Vec<u8>) {
        self.paths.insert(path);
        self.quiet.stir(Instant::now());
    }

    /// Whether the map is right, as far as anybody knows.
    pub(super) fn is_empty(&self) -> bool {
        self.quiet.due().is_none()
    }

    /// When to look.
    pub(in crate::watch) fn due(&self) -> Option<Instant> {
        match self.paths.len() > MOST_PATHS {
            true => Some(Instant::now()),
            false => self.quiet.due(),
        }
    }

    /// Whether to look now.
    pub(in crate::watch) fn take(&mut self) -> bool {
        self.paths.len() > MOST_PATHS || self.quiet.take(Instant::now())
    }
}
