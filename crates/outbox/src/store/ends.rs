//! Events that will not arrive, and what they told: told anew once there is room.
//!
//! What stands is marked in the ledger. The end of a deviation that has come back since has no place there, and is kept
//! in a table of its own.

use super::announce::{Fresh, gone};
use super::order;
use super::tables::{
    Result, Role, Row, damaged, entry_from_row, entry_to_row, rank, size_of_entry,
};
use super::write_transaction::WriteTransaction;
use crate::event::finding::Step;
use crate::ledger::{self, Capacity, OpenFinding};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The part of the ledger's room that ends have beside it.
const SHARE: u64 = 8;
/// Ends that one transaction tells.
const AT_ONCE: usize = 500;
/// Ranks that ends may have, worst first.
const RANKS: [u8; 4] = [3, 2, 1, 0];

impl WriteTransaction<'_> {
    /// An event will not arrive. `first_seen`: of the deviation that it told of.
    pub(super) fn untell(&mut self, row: &Row<'_>, first_seen: Option<i64>) -> Result<()> {
        let Role::Told(step) = row.role else {
            return Ok(());
        };
        let old = self.entry(row.key)?;
        // What stands may have gone and come back since.
        let same = old.filter(|old| first_seen == Some(old.first_seen));
        match (same, row.entry) {
            (Some(same), None) => {
                let new = ledger::dropped(&same, step);
                self.set_entry(row.key, Some(&same), Some(&new))
            }
            (None, None) => self.untell_before_its_end(row.key, step, first_seen),
            // It came back in the millisecond in which it had begun: the log side knows it still.
            (Some(same), Some(_)) => {
                let new = OpenFinding {
                    raised: true,
                    current: same.current && same.raised,
                    ..same
                };
                self.set_entry(row.key, Some(&same), Some(&new))
            }
            // Nobody heard of it.
            (None, Some(ended)) if !ended.raised => Ok(()),
            // The log side will not hear that it ended, and thinks that it stands.
            (None, Some(ended)) if old.is_none() && self.admit(row.key, ended.severity)? => {
                let new = ledger::dropped(&ended, Step::Cleared);
                self.set_entry(row.key, None, Some(&new))
            }
            (None, Some(ended)) => self.owe_end(row.key, &ended),
        }
    }

    /// What an event told has ended since, and that it ended is yet to be delivered, perhaps: were it given up too, nobody
    /// would have heard of either.
    fn untell_before_its_end(
        &mut self,
        key: &[u8],
        step: Step,
        first_seen: Option<i64>,
    ) -> Result<()> {
        for rank in RANKS {
            let from = order::eviction(rank, key, 0);
            let beginning = &from[..=key.len()];
            let mut places = Vec::new();
            self.tables.eviction.walk(from.as_slice().., |other, ()| {
                // A longer key of the ledger may begin so too.
                if !other.starts_with(beginning) {
                    return Ok(ControlFlow::Break(()));
                }
                if other.len() == from.len() {
                    places.extend(order::place(other));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            for place in places {
                let Some(bytes) = self.tables.spool.get(place, <[u8]>::to_vec)? else {
                    continue;
                };
                let row = Row::read(&bytes).ok_or_else(|| damaged("spool"))?;
                if let Some(ended) = row.entry
                    && Some(ended.first_seen) == first_seen
                {
                    let entry = Some(ledger::dropped(&ended, step));
                    let new = Row { entry, ..row };
                    self.tables.spool.insert(place, new.write().as_slice())?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the end of a deviation, to be told once there is room; for want of a place the least severe is given up.
    pub(super) fn owe_end(&mut self, key: &[u8], ended: &OpenFinding) -> Result<()> {
        let rank = rank(Some(ended.severity));
        let first_seen = u64::from_ne_bytes(ended.first_seen.to_ne_bytes());
        let key = order::eviction(rank, key, first_seen);
        let size = size_of_entry(&key);
        while self.state.ledger.ends_bytes.saturating_add(size) > self.limits.ledger / SHARE {
            let mut least = None;
            self.tables.ends.walk(&b""[..].., |key, _| {
                least = Some(key.to_vec());
                Ok(ControlFlow::Break(()))
            })?;
            self.state.ledger.given_up = self.state.ledger.given_up.saturating_add(1);
            self.dirty = true;
            match least {
                Some(least) if least[0] < rank => self.end_told(&least)?,
                _ => return Ok(()),
            }
        }
        let row = entry_to_row(ended);
        if !self.tables.ends.has(key.as_slice())? {
            self.state.ledger.ends = self.state.ledger.ends.saturating_add(1);
            self.state.ledger.ends_bytes = self.state.ledger.ends_bytes.saturating_add(size);
        }
        self.tables.ends.insert(key.as_slice(), row.as_slice())?;
        self.written = self.written.saturating_add(size);
        self.dirty = true;
        Ok(())
    }

    fn end_told(&mut self, key: &[u8]) -> Result<()> {
        if self.tables.ends.remove(key)? {
            let size = size_of_entry(key);
            self.state.ledger.ends = self.state.ledger.ends.saturating_sub(1);
            self.state.ledger.ends_bytes = self.state.ledger.ends_bytes.saturating_sub(size);
            self.dirty = true;
        }
        Ok(())
    }

    /// Tells ends that were given up, worst first, as long as the spool has room.
    pub(super) fn tell_ends(&mut self, now: i64) -> Result<()> {
        if self.state.ledger.ends == 0 || self.capacity() != Capacity::Ample {
            return Ok(());
        }
        let mut ends = Vec::new();
        for rank in RANKS {
            self.tables.ends.walk(&[rank][..].., |key, row| {
                let more = key.first() == Some(&rank) && ends.len() < AT_ONCE;
                if more {
                    let entry = entry_from_row(row).ok_or_else(|| damaged("ends"))?;
                    ends.push((key.to_vec(), entry));
                }
                Ok(match more {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                })
            })?;
        }
        for (place, ended) in &ends {
            if self.capacity() != Capacity::Ample {
                break;
            }
            let key = order::ledger_key(place).ok_or_else(|| damaged("ends"))?;
            self.end_told(place)?;
            let fresh = Fresh {
                step: Step::Cleared,
                stored: Arc::new(gone(key, ended.severity).ok_or_else(|| damaged("ends"))?),
                key: key.to_vec(),
                entry: Some(*ended),
                first_seen: ended.first_seen,
                last_seen: now,
                scan: false,
            };
            self.tell(&fresh, now)?;
        }
        Ok(())
    }
}
