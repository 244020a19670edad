//! Findings that may wait for evidence: stored before they wait, so that a kill loses nothing, and told at their time at
//! the latest.
//!
//! The ledger holds them as not yet told. Found again without a reason to wait they are told at once; gone before their
//! time, nobody hears of them.

use super::announce::Fresh;
use super::tables::{Deferred, Result, damaged};
use super::write_transaction::WriteTransaction;
use crate::event::finding::Step;
use crate::event::stored_finding::StoredFinding;
use agent_core::finding::Severity;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Deferred findings that one transaction tells.
const AT_ONCE: usize = 500;

impl WriteTransaction<'_> {
    /// Whether a step of this severity may wait.
    pub(super) fn may_wait(step: Step, severity: Severity) -> bool {
        severity < Severity::Critical && matches!(step, Step::Raised | Step::Changed)
    }

    /// Keeps a step to be told at `until`; one that waits already keeps its time.
    pub(super) fn defer(&mut self, fresh: &Fresh, until: i64) -> Result<()> {
        let key = fresh.key.as_slice();
        let before = self.deferral(key)?;
        let packed = self.sample.pack(&fresh.stored.to_text());
        let row = Deferred {
            until: before.map_or(until, |before| before.min(until)),
            first_seen: fresh.first_seen,
            last_seen: fresh.last_seen,
            sample: self.state.sample,
            packed: &packed,
        }
        .write();
        self.tables.deferred.insert(key, row.as_slice())?;
        self.written = self.written.saturating_add(row.len() as u64);
        self.dirty = true;
        if before.is_none() {
            self.state.waiting.deferred = self.state.waiting.deferred.saturating_add(1);
        }
        self.state.waiting.deferred_until = match self.state.waiting.deferred_until {
            0 => until,
            due => due.min(until),
        };
        Ok(())
    }

    /// What waits, if it does, is something else by now.
    pub(super) fn renew_deferred(
        &mut self,
        key: &[u8],
        stored: &Arc<StoredFinding>,
        first_seen: i64,
        now: i64,
    ) -> Result<()> {
        let Some(until) = self.deferral(key)? else {
            return Ok(());
        };
        let fresh = Fresh {
            step: Step::Changed,
            stored: stored.clone(),
            key: key.to_vec(),
            entry: None,
            first_seen,
            last_seen: now,
            scan: false,
        };
        self.defer(&fresh, until)
    }

    fn deferral(&self, key: &[u8]) -> Result<Option<i64>> {
        if self.state.waiting.deferred == 0 {
            return Ok(None);
        }
        let until = |row: &[u8]| Deferred::read(row).map(|row| row.until);
        match self.tables.deferred.get(key, until)? {
            None => Ok(None),
            Some(until) => until.map(Some).ok_or_else(|| damaged("deferred")),
        }
    }

    /// It is told, or gone: it waits no longer.
    pub(super) fn undefer(&mut self, key: &[u8]) -> Result<()> {
        if self.state.waiting.deferred > 0 && self.tables.deferred.remove(key)? {
            self.state.waiting.deferred = self.state.waiting.deferred.saturating_sub(1);
            self.dirty = true;
        }
        Ok(())
    }

    /// Tells those whose time has come; whether there are more of them.
    pub(super) fn tell_deferred(&mut self, now: i64) -> Result<bool> {
        let mut due = Vec::new();
        let mut next = i64::MAX;
        let mut more = false;
        self.tables.deferred.walk(&b""[..].., |key, row| {
            let row = Deferred::read(row).ok_or_else(|| damaged("deferred"))?;
            if row.until > now {
                next = next.min(row.until);
                return Ok(ControlFlow::Continue(()));
            }
            if due.len() >= AT_ONCE {
                more = true;
                return Ok(ControlFlow::Break(()));
            }
            let text = self.unpack(row.sample, row.packed, "deferred")?;
            let stored = StoredFinding::from_text(&text).ok_or_else(|| damaged("deferred"))?;
            due.push((key.to_vec(), stored, row.first_seen, row.last_seen));
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, stored, first_seen, last_seen) in due {
            self.undefer(&key)?;
            let Some(entry) = self.entry(&key)? else {
                continue;
            };
            let step = match entry.raised {
                true => Step::Changed,
                false => Step::Raised,
            };
            let mut told = entry;
            (told.raised, told.current, told.told) = (true, true, now);
            told.updated |= step == Step::Changed;
            self.set_entry(&key, Some(&entry), Some(&told))?;
            self.fresh.push(Fresh {
                step,
                stored: Arc::new(stored),
                key,
                entry: None,
                first_seen,
                last_seen,
                scan: false,
            });
        }
        if !more {
            self.state.waiting.deferred_until = match next {
                i64::MAX => 0,
                next => next,
            };
            self.dirty = true;
        }
        Ok(more)
    }
}
