//! What a walk meets.

use super::probe::Target;
use super::scope::{PathPolicy, Weaker};
use rustix::io::Errno;

/// What the walk meets.
#[derive(Debug)]
pub enum Step {
    /// Something to look at. A directory's entries follow, then its [`Step::Leave`].
    Look {
        /// What it is.
        target: Target,
        /// What to do with it.
        policy: PathPolicy,
        /// Of a directory: whether entries of it come and go every day (excluded, demanded less of,
        /// launch-marked), so that its own mtime and nlink say nothing.
        loose: bool,
    },
    /// All entries of the directory that was met last and not yet left have been met.
    Leave,
    /// A directory whose entries cannot be seen, and why.
    Blind {
        /// Relative to the root.
        path: Vec<u8>,
        /// What was to be done with it.
        policy: PathPolicy,
        /// Why.
        why: Blindness,
    },
    /// The present profile demands less of that path than the manifest was sealed with; told once for each cause.
    Weaker {
        /// The first path concerned.
        path: Vec<u8>,
        /// How.
        weaker: Weaker,
        /// What was to be done with it.
        policy: PathPolicy,
    },
}

/// Why the entries of a directory cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blindness {
    /// The kernel refused: what was tried, and its answer.
    Refused(&'static str, Errno),
    /// It, or a directory above it, was moved while it was walked.
    Moved,
    /// It is one of its own ancestors, mounted again.
    Loop,
    /// Something is mounted there and its entry does not cross mounts.
    Mount,
    /// Its file system gave no answer in time.
    Silent,
    /// It is not walked, since that brought the agent to its end.
    SetAside,
    /// It lies deeper than is walked.
    Deep,
}
