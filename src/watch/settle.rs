//! Touched paths wait until they are quiet. Pure; the time is passed in.

use super::Touch;
use crate::files::spot::Region;
use std::time::{Duration, Instant};

/// However busy a path is, it is judged after so long.
pub const LONGEST: Duration = Duration::from_secs(2);
/// As many paths wait at most; beyond that, whole directories stand for what is in them.
pub const MOST: usize = 65_536;

/// Paths that were touched and are not yet judged.
#[derive(Debug)]
pub struct Settle {}

/// A path that is quiet, or has waited long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What to judge.
    pub region: Region,
    /// See [`Touch::itself`].
    pub itself: bool,
    /// When it was touched first.
    pub since: Instant,
}

impl Settle {
    /// Paths are due when they have been quiet for `quiet`, and after [`LONGEST`] at the latest.
    pub fn new(quiet: Duration) -> Settle {
        let _ = quiet;
        todo!()
    }

    /// Takes in a touch.
    pub fn touch(&mut self, touch: Touch, now: Instant) {
        let _ = (touch, now);
        todo!()
    }

    /// Takes out what is due, in the order of a walk.
    pub fn due(&mut self, now: Instant) -> Vec<Due> {
        let _ = now;
        todo!()
    }

    /// When something is due next; `None`: nothing waits.
    pub fn next(&self) -> Option<Instant> {
        todo!()
    }

    /// Takes out everything, due or not: a whole scan that begins now will look at it.
    pub fn clear(&mut self) {
        todo!()
    }

    /// Number of paths that wait.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
