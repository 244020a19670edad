//! Whose turn it is among paths that are due: directories take turns. Pure; the time is passed in.

use agent_core::paths::split;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// Paths, in the order of the times when they are due.
type Line = BTreeSet<(Instant, Arc<[u8]>)>;

/// Paths by the time when they are due, each directory with a line of its own.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    lines: BTreeMap<Arc<[u8]>, Line>,
    /// Each directory by the time when its first path is due.
    heads: Line,
}

impl Schedule {
    /// A path is due then.
    pub(super) fn insert(&mut self, due: Instant, path: Arc<[u8]>) {
        let directory = split(&path).0;
        let (directory, line) = match self.lines.get_key_value(directory) {
            Some((directory, _)) => (directory.clone(), false),
            None => (Arc::from(directory), true),
        };
        if line {
            self.lines.insert(directory.clone(), BTreeSet::new());
        }
        let Some(line) = self.lines.get_mut(&directory) else {
            return;
        };
        let head = line.first().map(|(head, _)| *head);
        line.insert((due, path));
        if head.is_none_or(|head| due < head) {
            if let Some(head) = head {
                self.heads.remove(&(head, directory.clone()));
            }
            self.heads.insert((due, directory));
        }
    }

    /// A path that is due then is not any more.
    pub(super) fn remove(&mut self, due: Instant, path: &Arc<[u8]>) {
        let Some((directory, _)) = self.lines.get_key_value(split(path).0) else {
            return;
        };
        let directory = directory.clone();
        self.change(&directory, |line| line.remove(&(due, path.clone())));
    }

    /// Changes a directory's line, and keeps what its head says.
    fn change<T>(
        &mut self,
        directory: &Arc<[u8]>,
        change: impl FnOnce(&mut Line) -> T,
    ) -> Option<T> {
        let line = self.lines.get_mut(directory)?;
        let before = line.first().map(|(head, _)| *head);
        let result = change(line);
        let after = line.first().map(|(head, _)| *head);
        if before != after {
            if let Some(before) = before {
                self.heads.remove(&(before, directory.clone()));
            }
            match after {
                Some(after) => drop(self.heads.insert((after, directory.clone()))),
                None => drop(self.lines.remove(directory)),
            }
        }
        Some(result)
    }

    /// Takes out what is due, `most` at most: equal shares for all directories that have something due.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Vec<Arc<[u8]>> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let room = most - taken.len();
            let due = self.heads.iter().take_while(|(head, _)| *head <= now);
            let turn: Vec<Arc<[u8]>> = due.take(room).map(|(_, place)| place.clone()).collect();
            if turn.is_empty() {
                break;
            }
            let share = room / turn.len();
            for directory in turn {
                let due = self.change(&directory, |line| first_due(line, now, share));
                taken.extend(due.into_iter().flatten());
            }
        }
        taken
    }

    /// How many paths wait in each directory.
    pub(super) fn crowds(&self) -> Vec<(usize, Vec<u8>)> {
        let lines = self.lines.iter();
        lines
            .map(|(directory, line)| (line.len(), directory.to_vec()))
            .collect()
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heads.first().map(|(head, _)| *head)
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.heads.clear();
    }
}

/// Takes what is due at the head of a line, `most` paths at most.
fn first_due(line: &mut Line, now: Instant, most: usize) -> Vec<Arc<[u8]>> {
    let mut taken = Vec::new();
    while taken.len() < most && line.first().is_some_and(|(due, _)| *due <= now) {
        taken.extend(line.pop_first().map(|(_, path)| path));
    }
    taken
}
