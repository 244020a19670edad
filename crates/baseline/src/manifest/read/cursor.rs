//! Single entries, found without reading all.

use super::lines::Lines;
use super::{Entries, Entry, Manifest};
use agent_core::error::Result;
use agent_core::paths;
use std::cmp::Ordering;

/// Reads single entries of a [`Manifest`] and short runs of them. Paths are sought in order: what lies behind the
/// place that was reached is not found again.
#[derive(Debug)]
pub struct Cursor<'a> {
    manifest: &'a Manifest,
    entries: Entries<'a>,
    /// The entry that comes next.
    ahead: Option<Entry>,
}

impl<'a> Cursor<'a> {
    /// At the first entry.
    pub(super) fn new(manifest: &'a Manifest) -> Cursor<'a> {
        Cursor {
            manifest,
            entries: manifest.entries(),
            ahead: None,
        }
    }

    /// Goes to the first entry that is not before `path`.
    pub fn seek(&mut self, path: &[u8]) -> Result<()> {
        let is_before = |entry: &Entry| paths::compare(&entry.path, path) == Ordering::Less;
        if self.ahead.as_ref().is_some_and(|entry| !is_before(entry)) {
            return Ok(());
        }
        let marks = &self.manifest.marks;
        let after =
            marks.partition_point(|(_, first)| paths::compare(first, path) != Ordering::Greater);
        if let Some((mark, _)) = after.checked_sub(1).and_then(|i| marks.get(i))
            && mark.offset > self.entries.lines.mark().offset
        {
            self.entries.lines = Lines::new(&self.manifest.measured, *mark);
        }
        loop {
            self.ahead = self.entries.next().transpose()?;
            if !self.ahead.as_ref().is_some_and(is_before) {
                return Ok(());
            }
        }
    }

    /// The entry that comes next.
    pub fn peek(&mut self) -> Result<Option<&Entry>> {
        if self.ahead.is_none() {
            self.ahead = self.entries.next().transpose()?;
        }
        Ok(self.ahead.as_ref())
    }

    /// Takes the entry that comes next.
    pub fn take(&mut self) -> Result<Option<Entry>> {
        self.peek()?;
        Ok(self.ahead.take())
    }
}
