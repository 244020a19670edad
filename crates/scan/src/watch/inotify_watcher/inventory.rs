//! Whether the kernel still has all watches. A process that may take over another's descriptors (pidfd_getfd(2)) can take
//! watches away from it, and read away the events that would say so. Pure.

use crate::watch::tree::Descriptor;
use std::time::{Duration, Instant};

/// By then what the kernel itself took away, with its directory or file, has been told and is out of the map.
const TOLD: Duration = Duration::from_secs(10);

/// When to compare the map with what the kernel has, and what was missing there.
#[derive(Debug, Default)]
pub(in crate::watch) struct Inventory {
    due: Option<Instant>,
    /// Sorted.
    missing: Vec<Descriptor>,
}

impl Inventory {
    /// It is time to compare.
    pub(super) fn begin(&mut self, now: Instant) {
        self.due.get_or_insert(now);
    }

    /// When to.
    pub(in crate::watch) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether to now.
    pub(in crate::watch) fn take(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Takes in which watches of the map the kernel lacks; returns those of them that it lacked some time ago as well.
    pub(super) fn compare(&mut self, mut missing: Vec<Descriptor>, now: Instant) -> usize {
        missing.sort_unstable();
        let before = std::mem::take(&mut self.missing);
        if before.is_empty() && !missing.is_empty() {
            self.missing = missing;
            self.due = now.checked_add(TOLD);
            return 0;
        }
        let lasts = |descriptor: &&Descriptor| before.binary_search(descriptor).is_ok();
        missing.iter().filter(lasts).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_lacks_for_a_while_was_taken() {
        let start = Instant::now();
        let mut inventory = Inventory::default();
        assert!(!inventory.take(start));
        inventory.begin(start);
        assert!(inventory.take(start) && !inventory.take(start));
        assert_eq!(inventory.compare(Vec::new(), start), 0);
        assert_eq!(inventory.due(), None, "all is there");

        // 5 went with its directory, which is told meanwhile.
        assert_eq!(inventory.compare(vec![7, 5, 9], start), 0);
        assert!(!inventory.take(start));
        inventory.begin(start);
        assert!(!inventory.take(start), "not before it is told");
        assert!(inventory.take(start + TOLD));
        assert_eq!(inventory.compare(vec![9, 11, 7], start + TOLD), 2);
        assert_eq!(inventory.due(), None);
        assert_eq!(inventory.compare(vec![11], start + TOLD), 0);
        assert_eq!(inventory.compare(Vec::new(), start + 2 * TOLD), 0);
    }
}
