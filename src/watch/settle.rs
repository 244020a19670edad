//! Touched paths wait until they are quiet. Pure; the time is passed in.

use super::Touch;
use crate::files::spot::Region;
use crate::manifest::order::{self, split};
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// However busy a path is, it is judged after so long.
pub const LONGEST: Duration = Duration::from_secs(2);
/// As many paths wait at most; beyond that, whole directories stand for what is in them.
pub const MOST: usize = 65_536;
/// So many paths are gone through in search of a directory's entries.
const MOST_SEARCHED: usize = 4_096;

/// Paths that were touched and are not yet judged.
#[derive(Debug)]
pub struct Settle {
    quiet: Duration,
    most: usize,
    waiting: BTreeMap<Arc<[u8]>, Waiting>,
    /// The same paths by the time when they are due.
    times: BTreeSet<(Instant, Arc<[u8]>)>,
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

impl Settle {
    /// Paths are due when they have been quiet for `quiet`, and after [`LONGEST`] at the latest.
    pub fn new(quiet: Duration) -> Settle {
        Settle::with_room(quiet, MOST)
    }

    /// The same with room for `most` paths.
    pub fn with_room(quiet: Duration, most: usize) -> Settle {
        Settle {
            quiet: quiet.min(LONGEST),
            most: most.max(1),
            waiting: BTreeMap::new(),
            times: BTreeSet::new(),
        }
    }

    /// Another quiet time, for what is touched from now on.
    pub fn set_quiet(&mut self, quiet: Duration) {
        self.quiet = quiet.min(LONGEST);
    }

    /// Takes in a touch.
    pub fn touch(&mut self, touch: Touch, now: Instant) {
        let due = now + self.quiet;
        self.merge(
            touch.path.into(),
            Waiting {
                first: now,
                due,
                below: touch.below,
                itself: touch.itself,
            },
        );
        if self.waiting.len() > self.most {
            self.make_room();
        }
    }

    fn merge(&mut self, path: Arc<[u8]>, new: Waiting) {
        let mut merged = new;
        if let Some(old) = self.waiting.remove(&path) {
            self.times.remove(&(old.due, path.clone()));
            merged.first = old.first.min(new.first);
            merged.due = old.due.max(new.due);
            merged.below |= old.below;
            merged.itself |= old.itself;
        }
        merged.due = merged.due.min(merged.first + LONGEST);
        self.times.insert((merged.due, path.clone()));
        self.waiting.insert(path, merged);
    }

    /// Puts directories in the place of what waits in them, those with the most waiting first.
    fn make_room(&mut self) {
        let mut crowds: BTreeMap<&[u8], usize> = BTreeMap::new();
        for path in self.waiting.keys() {
            *crowds.entry(split(path).0).or_default() += 1;
        }
        let mut crowds: Vec<(usize, Vec<u8>)> = crowds
            .into_iter()
            .map(|(directory, count)| (count, directory.to_vec()))
            .collect();
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
            .filter(|path| !path.starts_with(b"\0") && order::is_within(path, directory))
            .cloned()
            .collect();
        for path in within {
            let Some(old) = self.waiting.remove(&path) else {
                continue;
            };
            self.times.remove(&(old.due, path));
            let whole = Waiting {
                below: true,
                itself: false,
                ..old
            };
            self.merge(directory.into(), whole);
        }
    }

    /// Takes out what is due, in the order of paths.
    pub fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some((time, _)) = self.times.first()
            && *time <= now
            && let Some((_, path)) = self.times.pop_first()
        {
            let Some(waiting) = self.waiting.remove(&path) else {
                continue;
            };
            due.push(Due {
                region: Region {
                    path: path.to_vec(),
                    below: waiting.below,
                },
                itself: waiting.itself,
                since: waiting.first,
            });
        }
        due.sort_unstable_by(|a, b| order::compare(&a.region.path, &b.region.path));
        due
    }

    /// Takes out one path, if it is due; whether it was.
    pub fn take(&mut self, path: &[u8], now: Instant) -> bool {
        let Some(waiting) = self.waiting.get(path).filter(|w| w.due <= now) else {
            return false;
        };
        self.times.remove(&(waiting.due, path.into()));
        self.waiting.remove(path).is_some()
    }

    /// Direct entries of a directory that wait: see [`entries_of`].
    pub fn entries_of(&self, directory: &[u8], most: usize) -> Vec<Vec<u8>> {
        entries_of(&self.waiting, directory, most)
    }

    /// When something is due next; `None`: nothing waits.
    pub fn next(&self) -> Option<Instant> {
        self.times.first().map(|(time, _)| *time)
    }

    /// Takes out everything, due or not: a whole scan that begins now will look at it.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.times.clear();
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
mod tests {
    use super::*;

    fn touch(path: &str) -> Touch {
        Touch {
            path: path.into(),
            below: true,
            itself: true,
        }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn paths(due: &[Due]) -> Vec<String> {
        let path = |due: &Due| String::from_utf8_lossy(&due.region.path).into_owned();
        due.iter().map(path).collect()
    }

    #[test]
    fn a_path_is_due_when_it_is_quiet() {
        let start = Instant::now();
        let mut settle = Settle::new(ms(200));
        settle.touch(touch("a"), start);
        settle.touch(touch("b"), start + ms(50));
        settle.touch(touch("a"), start + ms(100));
        assert_eq!(settle.next(), Some(start + ms(250)));
        assert_eq!(settle.due(start + ms(249)), []);
        assert_eq!(paths(&settle.due(start + ms(299))), ["b"]);
        let due = settle.due(start + ms(300));
        assert_eq!((paths(&due), due[0].since), (vec!["a".into()], start));
        assert_eq!((settle.next(), settle.is_empty()), (None, true));
    }

    #[test]
    fn another_quiet_time_loses_nothing() {
        let start = Instant::now();
        let mut settle = Settle::new(ms(200));
        settle.touch(touch("a"), start);
        settle.set_quiet(ms(500));
        settle.touch(touch("b"), start);
        assert_eq!(paths(&settle.due(start + ms(200))), ["a"]);
        assert_eq!(settle.next(), Some(start + ms(500)));
    }

    #[test]
    fn one_path_may_be_taken_by_itself() {
        let start = Instant::now();
        let mut settle = Settle::new(ms(200));
        settle.touch(touch("a"), start);
        settle.touch(touch("b"), start);
        assert!(!settle.take(b"a", start + ms(199)), "not yet");
        assert!(!settle.take(b"c", start + ms(200)), "never touched");
        assert!(settle.take(b"a", start + ms(200)));
        assert!(!settle.take(b"a", start + ms(200)), "taken");
        assert_eq!(paths(&settle.due(start + ms(200))), ["b"]);
        assert_eq!((settle.next(), settle.is_empty()), (None, true));
    }

    #[test]
    fn entries_that_wait_are_found_by_their_directory() {
        let start = Instant::now();
        let mut settle = Settle::new(ms(200));
        for path in ["", "a", "a/x", "a/x/y", "a/z", "a-b", "b"] {
            settle.touch(touch(path), start);
        }
        let entries = |directory: &str, most| {
            let found = settle.entries_of(directory.as_bytes(), most);
            let text = |path: Vec<u8>| String::from_utf8_lossy(&path).into_owned();
            found.into_iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(entries("", 9), ["a", "a-b", "b"]);
        assert_eq!(entries("a", 9), ["a/x", "a/z"]);
        assert_eq!(entries("a", 1), ["a/x"]);
        assert_eq!(entries("b", 9), [""; 0]);
    }

    #[test]
    fn a_busy_path_is_due_in_the_end() {
        let start = Instant::now();
        let mut settle = Settle::new(ms(200));
        for i in 0..30 {
            settle.touch(touch("log"), start + ms(100 * i));
            let due = settle.due(start + ms(100 * i));
            assert_eq!(!due.is_empty(), i == 20, "{i}");
        }
    }

    #[test]
    fn touches_of_one_path_add_up() {
        let start = Instant::now();
        let mut settle = Settle::new(ms(1));
        for (below, itself) in [(false, true), (true, false), (false, false)] {
            let path = b"d".to_vec();
            settle.touch(
                Touch {
                    path,
                    below,
                    itself,
                },
                start,
            );
        }
        let due = settle.due(start + ms(1));
        assert_eq!(due.len(), 1);
        assert!(due[0].region.below && due[0].itself);
    }

    #[test]
    fn directories_stand_for_what_does_not_fit() {
        let start = Instant::now();
        let mut settle = Settle::with_room(ms(10), 100);
        settle.touch(touch("\0canary"), start);
        settle.touch(touch("few/x"), start);
        for i in 0..1000 {
            settle.touch(touch(&format!("many/{}/x{i}", i % 3)), start);
            assert!(settle.len() <= 100);
        }
        let due = settle.due(start + ms(10));
        let all = |path: &str| {
            due.iter().any(|d| {
                d.region
                    == Region {
                        path: path.into(),
                        below: true,
                    }
            })
        };
        assert!(all("\0canary") && all("few/x"), "{due:?}");
        for i in 0..1000 {
            let (directory, path) = (format!("many/{}", i % 3), format!("many/{}/x{i}", i % 3));
            assert!(all(&path) || all(&directory), "{path}");
        }
    }

    #[test]
    fn everything_may_be_taken_out() {
        let start = Instant::now();
        let mut settle = Settle::new(ms(10));
        settle.touch(touch("a"), start);
        settle.clear();
        assert_eq!((settle.len(), settle.next()), (0, None));
    }
}
