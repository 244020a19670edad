//! Which recorded files are to be watched themselves: those with several names, since a write through a name outside
//! the watched directories shows in none of them. Pure.

/// The choice. Where more files than `most` have several names (on the root of an image-mode host nearly every file has)
/// only the critical ones are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Sorted by their bytes.
    paths: Vec<Box<[u8]>>,
    /// Paths with several names that were not chosen.
    beyond: u64,
    most: usize,
}

impl Linked {
    /// Every recorded path of a file with several names, in any order, and whether it is critical.
    pub fn choose(found: impl IntoIterator<Item = (Box<[u8]>, bool)>, most: usize) -> Linked {
        let mut choice = Choice::new(most);
        for (path, critical) in found {
            choice.take(&path, critical);
        }
        choice.end()
    }

    /// Those to be watched, sorted by their bytes.
    pub fn paths(&self) -> &[Box<[u8]>] {
        &self.paths
    }

    /// How many paths with several names are not to be watched.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// How many may be watched at most.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Whether it is to be watched.
    pub fn holds(&self, path: &[u8]) -> bool {
        self.place(path).is_some()
    }

    /// The place of a path among [`Linked::paths`].
    pub fn place(&self, path: &[u8]) -> Option<usize> {
        self.paths.binary_search_by(|held| (**held).cmp(path)).ok()
    }

    /// The places of a path and of all that lie below it.
    pub fn within(&self, path: &[u8]) -> Vec<usize> {
        if path.is_empty() {
            return (0..self.paths.len()).collect();
        }
        // Others may stand between a path and what lies below it: `a`, `a-b`, `a/c`.
        let beginning = [path, b"/"].concat();
        let from = self.paths.partition_point(|held| **held < *beginning);
        let below = self.paths[from..]
            .iter()
            .take_while(|held| held.starts_with(&beginning));
        let below = from..from + below.count();
        self.place(path).into_iter().chain(below).collect()
    }
}

/// A choice being made, in bounded memory.
#[derive(Debug)]
pub(super) struct Choice {
    most: usize,
    critical: Vec<Box<[u8]>>,
    /// None once there are more than may be watched.
    others: Vec<Box<[u8]>>,
    count: u64,
}

impl Choice {
    pub(super) fn new(most: usize) -> Choice {
        Choice {
            most,
            critical: Vec::new(),
            others: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn take(&mut self, path: &[u8], critical: bool) {
        self.count += 1;
        let all_fit = self.count <= self.most as u64;
        if !all_fit {
            self.others = Vec::new();
        }
        match critical {
            true if self.critical.len() < self.most => self.critical.push(path.into()),
            false if all_fit => self.others.push(path.into()),
            _ => {}
        }
    }

    pub(super) fn end(self) -> Linked {
        let mut paths = self.critical;
        paths.extend(self.others);
        paths.sort_unstable();
        Linked {
            beyond: self.count - paths.len() as u64,
            paths,
            most: self.most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(found: &[(&str, bool)], most: usize) -> (Vec<String>, u64) {
        let found = found
            .iter()
            .map(|(path, critical)| (path.as_bytes().into(), *critical));
        let linked = Linked::choose(found, most);
        let paths = linked.paths().iter();
        let paths = paths.map(|path| String::from_utf8_lossy(path).into_owned());
        (paths.collect(), linked.beyond())
    }

    #[test]
    fn all_are_watched_or_the_critical_ones_alone() {
        let found = [("b", false), ("a", true), ("d", true), ("c", false)];
        let text = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(choose(&found, 4), (text(&["a", "b", "c", "d"]), 0));
        assert_eq!(choose(&found, 3), (text(&["a", "d"]), 2));
        assert_eq!(choose(&found, 1), (text(&["a"]), 3));
        assert_eq!(choose(&found, 0), (text(&[]), 4));
    }

    #[test]
    fn what_lies_below_a_path_is_found() {
        let paths = ["a", "a-b", "a/c", "a/d/e", "a0", "b"];
        let found = paths.map(|path| (path.as_bytes().into(), false));
        let linked = Linked::choose(found, 100);
        assert_eq!(linked.within(b"a"), [0, 2, 3]);
        assert_eq!(linked.within(b"a/d"), [3]);
        assert_eq!(linked.within(b"c"), [0; 0]);
        assert_eq!(linked.within(b""), [0, 1, 2, 3, 4, 5]);
        assert!(linked.holds(b"a/c") && !linked.holds(b"a/d"));
    }
}
