//! Which paths are judged since some were touched. Pure.

use agent_core::os::node::Names;
use agent_core::paths::{self, is_within, split};
use agent_core::region::Region;
use std::cmp::Ordering;
use std::collections::HashSet;

/// What has to be judged since some regions were touched: they, and the directories above them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of a walk; none lies in another.
    regions: Vec<Region>,
    /// Paths of which it is told that they hold, in order.
    tell: Vec<Vec<u8>>,
}

impl Plan {
    /// The plan for what was touched. With each region goes whether it is to be told if its path holds.
    pub fn new(touched: impl IntoIterator<Item = (Region, bool)>) -> Plan {
        let mut regions = Vec::new();
        let mut tell = Vec::new();
        for (region, told) in touched {
            if told {
                tell.push(region.path.clone());
            }
            regions.push(region);
        }
        put_in_order(&mut regions);
        let mut above: HashSet<&[u8]> = HashSet::new();
        for region in &regions {
            let mut path = region.path.as_slice();
            while !path.is_empty() {
                path = split(path).0;
                // Those above it have been met with it.
                if !above.insert(path) {
                    break;
                }
            }
        }
        let above = above.into_iter().map(|path| Region {
            path: path.to_vec(),
            below: false,
        });
        let above: Vec<Region> = above.collect();
        regions.extend(above);
        put_in_order(&mut regions);
        tell.sort_unstable_by(|a, b| paths::compare(a, b));
        tell.dedup();
        Plan { regions, tell }
    }

    /// All that is judged, in the order of a walk.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Whether nothing is to be judged.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Whether the path is judged.
    pub fn covers(&self, path: &[u8]) -> bool {
        // Nothing lies between a region and what is within it, in the order of a walk.
        let after = self
            .regions
            .partition_point(|r| paths::compare(&r.path, path) != Ordering::Greater);
        let last = after.checked_sub(1).and_then(|i| self.regions.get(i));
        last.is_some_and(|region| region.covers(path))
    }

    /// Whether the path is judged and what is below it is not, or in part alone.
    pub fn has_alone(&self, path: &[u8]) -> bool {
        self.find(path).is_some_and(|region| !region.below)
    }

    /// Whether it is to be told that the path holds.
    pub fn tells(&self, path: &[u8]) -> bool {
        let found = self
            .tell
            .binary_search_by(|told| paths::compare(told, path));
        found.is_ok()
    }

    /// The direct entries of a directory that are judged.
    pub fn names_in(&self, directory: &[u8]) -> Names {
        let mut names = Names::default();
        let start = self
            .regions
            .partition_point(|r| paths::compare(&r.path, directory) != Ordering::Greater);
        for region in &self.regions[start..] {
            if !is_within(&region.path, directory) {
                break;
            }
            // Every directory above a region is a region itself.
            let (parent, name) = split(&region.path);
            if parent == directory {
                names.push(name);
            }
        }
        names
    }

    fn find(&self, path: &[u8]) -> Option<&Region> {
        let found = self
            .regions
            .binary_search_by(|region| paths::compare(&region.path, path));
        self.regions.get(found.ok()?)
    }
}

/// In the order of a walk, and without what lies in another.
fn put_in_order(regions: &mut Vec<Region>) {
    regions.sort_unstable_by(|a, b| paths::compare(&a.path, &b.path).then(b.below.cmp(&a.below)));
    // Of one path the region with all below it stands first, and what lies in that follows.
    regions.dedup_by(|later, earlier| earlier.covers(&later.path));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a/` stands for `a` with everything below it.
    fn plan(touched: &[&str]) -> Plan {
        Plan::new(touched.iter().map(|text| {
            let path = text.trim_end_matches('/').as_bytes().to_vec();
            let below = text.ends_with('/');
            (Region { path, below }, true)
        }))
    }

    fn shown(plan: &Plan) -> Vec<String> {
        let show = |region: &Region| {
            let path = String::from_utf8_lossy(&region.path);
            format!("{path}{}", if region.below { "/" } else { "" })
        };
        plan.regions().iter().map(show).collect()
    }

    #[test]
    fn directories_above_come_first_and_nothing_comes_twice() {
        let cases: [(&[&str], &[&str]); 7] = [
            (&[], &[]),
            (&["/"], &["/"]),
            (&["a/b/c/"], &["", "a", "a/b", "a/b/c/"]),
            (&["a/", "a", "a/b/c/"], &["", "a/"]),
            (
                &["a-b/", "a/c/", "a/b/"],
                &["", "a", "a/b/", "a/c/", "a-b/"],
            ),
            (&["a", "a/b/", "a/b/c/"], &["", "a", "a/b/"]),
            (&["a/b/c", "/"], &["/"]),
        ];
        for (touched, expected) in cases {
            assert_eq!(shown(&plan(touched)), expected, "{touched:?}");
        }
    }

    #[test]
    fn what_is_covered() {
        let plan = plan(&["a/b/", "a-b/", "c/d"]);
        for covered in ["", "a", "a/b", "a/b/x/y", "a-b/z", "c", "c/d"] {
            assert!(plan.covers(covered.as_bytes()), "{covered}");
        }
        for not in ["b", "a/c", "a/b-c", "a!", "c/d/e", "c/e"] {
            assert!(!plan.covers(not.as_bytes()), "{not}");
        }
        let names = |directory: &[u8]| {
            let names = plan.names_in(directory);
            let names = names
                .iter()
                .map(|(name, _)| String::from_utf8_lossy(name).into_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(b""), ["a", "a-b", "c"]);
        assert_eq!(names(b"a"), ["b"]);
        assert_eq!(names(b"c/d"), [""; 0]);
        assert!(plan.tells(b"c/d") && !plan.tells(b"c"));
    }
}
