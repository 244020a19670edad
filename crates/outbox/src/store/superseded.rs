//! While memory stands in for the disk: which entries on disk memory speaks for.
//!
//! Once memory has read a deviation's entry on disk and put another in its place, or ended it, the one on disk counts no
//! longer, whether or not it can be read. Told apart are entries by when they were first seen: when memory is carried
//! over and finds one on disk that it never knew, the log side has heard of two deviations, and that one ends.

use super::engine::Volatile;
use super::rows::Rows;
use super::tables::{Result, damaged};
use super::write_transaction::WriteTransaction;
use crate::ledger::OpenFinding;

/// Times kept for one key; without an older one an end may be told twice, which ends nothing else.
const TIMES: usize = 8;
/// Bytes of one time.
const TIME: usize = 8;

/// The store on disk, as the one in memory sees it.
pub(super) struct Below<'t> {
    pub(super) disk: &'t Volatile,
    /// By ledger key the times first seen.
    pub(super) superseded: Rows<'t, &'static [u8], &'static [u8]>,
}

impl Below<'_> {
    /// The entry on disk, unless memory speaks for it.
    pub(super) fn entry(&self, key: &[u8]) -> Result<Option<OpenFinding>> {
        Ok(match self.superseded.has(key)? {
            true => None,
            false => self.disk.entry(key),
        })
    }

    /// From now on memory speaks for this entry. Returns the bytes that this takes.
    pub(super) fn supersede(&mut self, key: &[u8], first_seen: i64) -> Result<u64> {
        let before = self.superseded.get(key, times)?;
        let mut all = match &before {
            None => Vec::new(),
            Some(times) => times.clone().ok_or_else(|| damaged("superseded"))?,
        };
        if all.contains(&first_seen) {
            return Ok(0);
        }
        let full = all.len() >= TIMES;
        if full {
            all.remove(0);
        }
        all.push(first_seen);
        let row: Vec<u8> = all.iter().flat_map(|time| time.to_le_bytes()).collect();
        self.superseded.insert(key, row.as_slice())?;
        let added = if full { 0 } else { TIME };
        let new = if before.is_none() { key.len() } else { 0 };
        Ok(new.saturating_add(added) as u64)
    }
}

/// The times first seen in a row; `None` for what is no such row.
pub(super) fn times(row: &[u8]) -> Option<Vec<i64>> {
    let (times, rest) = row.as_chunks::<TIME>();
    let times = times.iter().map(|time| i64::from_le_bytes(*time));
    rest.is_empty().then(|| times.collect())
}

impl WriteTransaction<'_> {
    /// Whether memory has nothing of its own of this deviation, so that it takes room once it has.
    pub(super) fn is_only_below(&self, key: &[u8]) -> Result<bool> {
        Ok(match &self.below {
            None => false,
            Some(below) => !self.tables.ledger.has(key)? && !below.superseded.has(key)?,
        })
    }
}
