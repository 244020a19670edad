//! Regions that are not watched, and why. Pure.

use crate::watch::MOST_LEFT_OUT;
use agent_core::paths::{is_within, split};
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    regions: BTreeSet<Vec<u8>>,
    /// Why the last of them is.
    reason: Option<String>,
}

impl LeftOut {
    pub(super) fn insert(&mut self, path: Vec<u8>, reason: String) {
        self.reason = Some(reason);
        self.regions.insert(path);
        // Regions that lie side by side become the one that they lie in.
        while self.regions.len() > MOST_LEFT_OUT {
            let depth = |path: &[u8]| path.iter().filter(|b| **b == b'/').count();
            let Some(deepest) = self.regions.iter().max_by_key(|path| depth(path)) else {
                return;
            };
            let above = split(deepest).0.to_vec();
            self.remove(&above);
            self.regions.insert(above);
        }
    }

    /// What lies at a path and below it is watched, or there no longer.
    pub(super) fn remove(&mut self, path: &[u8]) {
        self.regions.retain(|left| !is_within(left, path));
    }

    pub(super) fn clear(&mut self) {
        *self = LeftOut::default();
    }

    /// Those regions, in order, and why; no reason where there is none.
    pub(super) fn told(&mut self) -> (Vec<Vec<u8>>, Option<String>) {
        if self.regions.is_empty() {
            self.reason = None;
        }
        (self.regions.iter().cloned().collect(), self.reason.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(count: usize) -> LeftOut {
        let mut left_out = LeftOut::default();
        for number in 0..count {
            left_out.insert(format!("a/b/{number:05}").into_bytes(), "full".into());
        }
        left_out
    }

    #[test]
    fn beyond_the_bound_regions_become_the_one_that_they_lie_in() {
        let (regions, reason) = left_out(MOST_LEFT_OUT).told();
        assert_eq!(
            (regions.len(), reason.as_deref()),
            (MOST_LEFT_OUT, Some("full"))
        );
        let mut more = left_out(MOST_LEFT_OUT + 1);
        assert_eq!(more.told().0, [b"a/b".to_vec()]);
    }

    #[test]
    fn what_is_watched_again_needs_no_reason() {
        let mut left_out = left_out(2);
        left_out.remove(b"a/b/00000");
        assert_eq!(left_out.told().0, [b"a/b/00001".to_vec()]);
        left_out.remove(b"a");
        assert_eq!(left_out.told(), (Vec::new(), None));
    }
}
