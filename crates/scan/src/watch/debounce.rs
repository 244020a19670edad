//! Touched paths wait until they are quiet. Pure; the time is passed in.

mod schedule;

use super::Touch;
use agent_core::paths::{self, split};
use agent_core::region::Region;
use schedule::Schedule;
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// However busy a path is, it is judged after so long.
// Own bound: a time; nothing is left out.
pub const LONGEST: Duration = Duration::from_secs(2);
/// However busy an urgent path is, a first look at it is due so long after its first touch. With the look itself and the
/// way to the sink it is told within 700 ms.
pub const FIRST_LOOK: Duration = Duration::from_millis(400);
/// As many paths wait at most; beyond that, whole directories stand for what is in them.
// Own bound: directories stand for more of them.
pub const MOST: usize = 8_192;
/// So many paths are gone through in search of a directory's entries.
// Own bound: of work; what is not found is looked at by itself.
const MOST_SEARCHED: usize = 4_096;

/// Paths that were touched and are not yet judged.
#[derive(Debug)]
pub struct Debouncer {
    quiet: Duration,
    most: usize,
    waiting: BTreeMap<Arc<[u8]>, Waiting>,
    /// The same paths by the time when they are due.
    schedule: Schedule,
    first_looks: FirstLooks,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    first: Instant,
    due: Instant,
    below: bool,
    itself: bool,
}

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

impl Debouncer {
    /// Paths are due when they have been quiet for `quiet`, and after [`LONGEST`] at the latest.
    pub fn new(quiet: Duration) -> Debouncer {
        Debouncer::with_room(quiet, MOST)
    }

    /// The same with room for `most` paths.
    pub fn with_room(quiet: Duration, most: usize) -> Debouncer {
        Debouncer {
            quiet: quiet.min(LONGEST),
            most: most.max(1),
            waiting: BTreeMap::new(),
            schedule: Schedule::default(),
            first_looks: FirstLooks::default(),
        }
    }

    /// Another quiet time, for what is touched from now on.
    pub fn set_quiet(&mut self, quiet: Duration) {
        self.quiet = quiet.min(LONGEST);
    }

    /// Nothing waits for quiet any more: everything is due, and what is touched from now on is due at once.
    pub fn hurry(&mut self, now: Instant) {
        self.quiet = Duration::ZERO;
        self.schedule.clear();
        for (path, waiting) in &mut self.waiting {
            waiting.due = waiting.due.min(now);
            self.schedule.insert(waiting.due, path.clone());
        }
    }

    /// Takes in a touch.
    pub fn touch(&mut self, touch: Touch, now: Instant) {
        let waiting = self.waiting(&touch, now);
        self.merge(touch.path.into(), waiting);
        if self.waiting.len() > self.most {
            self.make_room();
        }
    }

    /// Takes in a touch of an urgent path: beside the look when it is quiet, a first one is due when it is quiet, and
    /// [`FIRST_LOOK`] after the first touch at the latest ([`Debouncer::first_looks`]).
    pub fn touch_urgent(&mut self, touch: Touch, now: Instant) {
        let waiting = self.waiting(&touch, now);
        let first = Waiting {
            due: waiting.due.min(now + FIRST_LOOK),
            ..waiting
        };
        self.first_looks.touch(&touch.path, first, self.most);
        self.touch(touch, now);
    }

    fn waiting(&self, touch: &Touch, now: Instant) -> Waiting {
        Waiting {
            first: now,
            due: now + self.quiet,
            below: touch.below,
            itself: touch.itself,
        }
    }

    fn merge(&mut self, path: Arc<[u8]>, new: Waiting) {
        let merged = match self.remove(&path) {
            Some(old) => old.merged(new, LONGEST),
            None => new,
        };
        self.schedule.insert(merged.due, path.clone());
        self.waiting.insert(path, merged);
    }

    fn remove(&mut self, path: &Arc<[u8]>) -> Option<Waiting> {
        let waiting = self.waiting.remove(path)?;
        self.schedule.remove(waiting.due, path);
        Some(waiting)
    }

    /// Puts directories in the place of what waits in them, those with the most waiting first.
    fn make_room(&mut self) {
        let mut crowds: Vec<(usize, Vec<u8>)> = self.schedule.crowds();
        crowds.sort_unstable_by(|a, b| b.cmp(a));
        for (_, directory) in crowds {
            // Room for some time, or this would have to be done again with the next touch.
            if self.waiting.len() <= self.most / 2 {
                return;
            }
            self.put_together(&directory);
        }
    }

    fn put_together(&mut self, directory: &[u8]) {
        let within: Vec<Arc<[u8]>> = self
            .waiting
            .keys()
            .filter(|path| !path.starts_with(b"\0") && paths::is_within(path, directory))
            .cloned()
            .collect();
        for path in within {
            let Some(old) = self.remove(&path) else {
                continue;
            };
            let whole = Waiting {
                below: true,
                itself: false,
                ..old
            };
            self.merge(directory.into(), whole);
        }
    }

    /// Takes out what is due, `most` at most, in the order of paths. Directories take turns, the one that has waited
    /// longest first, so that a crowd in one does not delay the others.
    pub fn due(&mut self, now: Instant, most: usize) -> Vec<Due> {
        let mut due = Vec::new();
        for path in self.schedule.take(now, most) {
            due.extend(self.waiting.remove(&path).map(|waiting| waiting.due(&path)));
        }
        due.sort_unstable_by(|a, b| paths::compare(&a.region.path, &b.region.path));
        due
    }

    /// Urgent paths of which a first look is due, `most` at most, in the order of paths. They go on waiting to be
    /// quiet; touched again, they are due for another first look.
    pub fn first_looks(&mut self, now: Instant, most: usize) -> Vec<Due> {
        self.first_looks.take(now, most)
    }

    /// Takes out one path, if it is due; whether it was.
    pub fn take(&mut self, path: &[u8], now: Instant) -> bool {
        let due = self.waiting.get(path).is_some_and(|w| w.due <= now);
        due && self.remove(&path.into()).is_some()
    }

    /// Whether a path waits.
    pub fn has(&self, path: &[u8]) -> bool {
        self.waiting.contains_key(path)
    }

    /// Direct entries of a directory that wait: see [`entries_of`].
    pub fn entries_of(&self, directory: &[u8], most: usize) -> Vec<Vec<u8>> {
        entries_of(&self.waiting, directory, most)
    }

    /// When something is due next; `None`: nothing waits.
    pub fn next(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// When a first look at an urgent path is due next; `None`: none is.
    pub fn next_first_look(&self) -> Option<Instant> {
        self.first_looks.times.first().map(|(time, _)| *time)
    }

    /// Takes out everything, due or not: a whole scan that begins now will look at it.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.schedule.clear();
        self.first_looks = FirstLooks::default();
    }

    /// Number of paths that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Waiting {
    /// Touched again: due when it is quiet, and `longest` after the first touch at the latest.
    fn merged(self, new: Waiting, longest: Duration) -> Waiting {
        let first = self.first.min(new.first);
        Waiting {
            first,
            due: self.due.max(new.due).min(first + longest),
            below: self.below | new.below,
            itself: self.itself | new.itself,
        }
    }

    fn due(&self, path: &[u8]) -> Due {
        Due {
            region: Region {
                path: path.to_vec(),
                below: self.below,
            },
            itself: self.itself,
            since: self.first,
        }
    }
}

/// Urgent paths of which a look before they are quiet is due.
#[derive(Debug, Default)]
struct FirstLooks {
    waiting: BTreeMap<Arc<[u8]>, Waiting>,
    times: BTreeSet<(Instant, Arc<[u8]>)>,
}

impl FirstLooks {
    /// Beyond `most` paths the look when they are quiet is the only one.
    fn touch(&mut self, path: &[u8], new: Waiting, most: usize) {
        let old = self.waiting.get_key_value(path);
        let old = old.map(|(path, old)| (path.clone(), *old));
        let (path, merged) = match old {
            Some((path, old)) => {
                self.times.remove(&(old.due, path.clone()));
                (path, old.merged(new, FIRST_LOOK))
            }
            None if self.waiting.len() < most => (path.into(), new),
            None => return,
        };
        self.times.insert((merged.due, path.clone()));
        self.waiting.insert(path, merged);
    }

    fn take(&mut self, now: Instant, most: usize) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some((time, _)) = self.times.first()
            && *time <= now
            && let Some((_, path)) = self.times.pop_first()
        {
            due.extend(self.waiting.remove(&path).map(|waiting| waiting.due(&path)));
        }
        due.sort_unstable_by(|a, b| paths::compare(&a.region.path, &b.region.path));
        due
    }
}

/// Direct entries of a directory among paths relative to the root, `most` at most; of a crowd below it, not all.
pub fn entries_of<K, V>(paths: &BTreeMap<K, V>, directory: &[u8], most: usize) -> Vec<Vec<u8>>
where
    K: Borrow<[u8]> + Ord,
{
    let mut first = directory.to_vec();
    if !first.is_empty() {
        first.push(b'/');
    }
    let from = (Bound::Excluded(first.as_slice()), Bound::Unbounded);
    let behind = paths.range::<[u8], _>(from).map(|(path, _)| path.borrow());
    behind
        .take(MOST_SEARCHED)
        .take_while(|path| path.starts_with(&first))
        .filter(|path| split(path).0 == directory)
        .map(<[u8]>::to_vec)
        .take(most)
        .collect()
}

#[cfg(test)]
mod tests;
