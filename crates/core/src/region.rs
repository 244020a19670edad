//! A part of a tree: one path, or a directory with all that it holds.

use crate::paths::is_within;

/// A path, alone or with everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// Relative to the root; empty for the root itself.
    pub path: Vec<u8>,
    /// Whether everything below it belongs to it. Of anything but a directory that stayed where it is, it must: where
    /// a directory was, all that was below it is gone.
    pub below: bool,
}

impl Region {
    /// Whether the path belongs to it.
    pub fn covers(&self, path: &[u8]) -> bool {
        match self.below {
            true => is_within(path, &self.path),
            false => self.path == path,
        }
    }
}
