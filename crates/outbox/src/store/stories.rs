//! Which packages are to be told of what they explain, when, and how many were since a transaction began.

use crate::event::TransactionCounts;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A package is told when nothing more of it was found for so many milliseconds,
const QUIET: i64 = 2_000;
/// and so long after the first of it at the latest.
// Own bound: a time to wait.
const LONGEST: i64 = 50_000;
/// There is no room for it in the spool: tried again after this.
pub(super) const AGAIN: i64 = 5_000;

/// Packages of which something is to be told, by what their rows' keys begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stories {
    pub(super) waiting: BTreeMap<Vec<u8>, Waits>,
    /// There was no room: not before that.
    pub(super) not_before: i64,
    /// Since the transaction under way began.
    pub(super) told: TransactionCounts,
    /// Packages that are counted in it, by a hash of what their rows' keys begin with: one may be told in several parts.
    counted: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    first: i64,
    last: i64,
    /// A scan finds what belongs to it over and over until it ends.
    scan: bool,
}

impl Waits {
    pub(super) fn due(self, now: i64) -> i64 {
        let longest = self.first.saturating_add(LONGEST);
        let due = match self.scan {
            true => longest,
            false => longest.min(self.last.saturating_add(QUIET)),
        };
        // A clock that went back must not make it wait.
        due.saturating_sub(now).min(LONGEST)
    }
}

impl Stories {
    /// A transaction begins.
    pub(super) fn begin(&mut self) {
        self.told = TransactionCounts::default();
        self.counted.clear();
    }

    /// A package explains something in it.
    pub(super) fn count(&mut self, prefix: &[u8]) {
        let mut hasher = DefaultHasher::new();
        prefix.hash(&mut hasher);
        if self.counted.insert(hasher.finish()) {
            self.told.packages = self.told.packages.saturating_add(1);
        }
    }

    /// Milliseconds until something is to be told.
    pub(super) fn due(&self, listed: u64, now: i64) -> Option<i64> {
        if listed == 0 && self.waiting.is_empty() {
            return None;
        }
        // What a run before left is due.
        let first = self.waiting.values().map(|waits| waits.due(now)).min();
        let first = first.unwrap_or(0);
        let room = self.not_before.saturating_sub(now).min(AGAIN);
        Some(first.max(room).max(0))
    }

    pub(super) fn note(&mut self, package: Vec<u8>, scan: bool, now: i64) {
        let waits = self.waiting.entry(package).or_insert(Waits {
            first: now,
            last: now,
            scan,
        });
        waits.last = now;
        waits.scan &= scan;
    }
}
