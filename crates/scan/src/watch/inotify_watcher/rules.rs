//! Which paths the profile has watched, asked by the directories that are. Pure.

use crate::files::scope::{PathPolicy, RuleCursor, Scope};
use crate::watch::tree::Node;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

/// Maximum directories whose place in the rules is remembered; with more, all are forgotten.
// Own bound: of what is remembered; the rest is found again.
const MOST_CURSORS: usize = 1024;

/// Whom a change of an entry of a directory concerns.
pub(super) enum Concern {
    /// The entry is looked at.
    Entry,
    /// It is not, but the times of its directory are.
    Directory,
    /// Nobody.
    Nobody,
}

/// The rules, and where directories stand in them, of those that were asked for of late.
pub(super) struct Rules {
    pub(super) scope: Arc<Scope>,
    cursors: HashMap<Node, (RuleCursor, PathPolicy)>,
}

impl Rules {
    pub(super) fn new(scope: Arc<Scope>) -> Rules {
        Rules {
            scope,
            cursors: HashMap::new(),
        }
    }

    /// Whom a change of that entry of a directory concerns. `path` is the directory's.
    pub(super) fn concern(&mut self, node: Node, path: &[u8], name: &[u8]) -> Concern {
        let scope = self.scope.clone();
        match self.of(node, path) {
            Some((cursor, _)) if scope.reach(cursor, name).is_some() => Concern::Entry,
            // Whether it has such entries decides what its own times say; one that only leads has none.
            Some((_, policy)) if !policy.leads => Concern::Directory,
            _ => Concern::Nobody,
        }
    }

    /// Where a directory stands; nothing where the rules leave it out.
    fn of(&mut self, node: Node, path: &[u8]) -> Option<&(RuleCursor, PathPolicy)> {
        let scope = &self.scope;
        if self.cursors.len() > MOST_CURSORS {
            self.cursors.clear();
        }
        let found = match self.cursors.entry(node) {
            Slot::Occupied(found) => found.into_mut(),
            Slot::Vacant(slot) => {
                let mut cursor = scope.root();
                let mut policy = scope.root_policy()?;
                for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
                    policy = scope.reach(&cursor, name)?;
                    cursor = scope.enter(&cursor, name);
                }
                slot.insert((cursor, policy))
            }
        };
        Some(found)
    }

    /// Nodes of the tree were removed: their numbers are taken again.
    pub(super) fn forget(&mut self) {
        self.cursors.clear();
    }
}
