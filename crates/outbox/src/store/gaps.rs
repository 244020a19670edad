//! Events that will not arrive, and how they are declared.

use super::tables::{Gap, Loss, OWN, Result, Role, Row, damaged, rank};
use super::write_transaction::WriteTransaction;
use crate::event::gap::{Dropped, Range};
use crate::event::{Fault, Lifecycle, own};
use agent_core::escape;
use agent_core::finding::Severity;
use agent_core::words::counted;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;

impl WriteTransaction<'_> {
    /// Notes that an event will not arrive; once, if it is lost to one sink after another. Returns since when the
    /// deviation stood that it told of.
    pub(super) fn lose(&mut self, row: &Row<'_>, loss: Loss) -> Result<Option<i64>> {
        let bytes = self.unpack(row.sample, row.packed, "spool")?;
        let digest = Sha256::digest(&bytes).into();
        let event: Value = serde_json::from_slice(&bytes).map_err(|_| damaged("spool"))?;
        let first_seen = event["finding_info"]["first_seen_time"].as_i64();
        if row.lost {
            return Ok(first_seen);
        }
        if row.other_chain {
            self.lose_of_other_chain();
            return Ok(first_seen);
        }
        let prev = event["unmapped"]["chain"]["prev"].as_str();
        let prev = match prev {
            None => None,
            Some(hex) => Some(escape::from_hex(hex.as_bytes()).ok_or_else(|| damaged("spool"))?),
        };
        if row.role == Role::Gap {
            self.declare_anew(row.sequence)?;
        }
        let mut counts = [0; 5];
        // Worst first, own steps last.
        let at = match row.rank {
            OWN => 4,
            rank => 3_usize.saturating_sub(usize::from(rank)),
        };
        counts[at] = 1;
        let mut gap = Gap {
            range: Range {
                first: row.sequence,
                last: row.sequence,
                prev,
                digest,
            },
            counts,
            loss,
            declared: 0,
        };
        let add = |counts: &mut [u64; 5], more: &[u64; 5]| {
            for (all, more) in counts.iter_mut().zip(more) {
                *all = all.saturating_add(*more);
            }
        };
        if let Some(left) = self.gap_before(row.sequence)?
            && left.range.last.checked_add(1) == Some(row.sequence)
            && left.declared == 0
            && left.loss == loss
        {
            gap.range.first = left.range.first;
            gap.range.prev = left.range.prev;
            add(&mut gap.counts, &left.counts);
            self.state.gaps.undeclared = self.state.gaps.undeclared.saturating_sub(1);
        }
        if let Some(next) = row.sequence.checked_add(1)
            && let Some(right) = self.gap(next)?
            && right.declared == 0
            && right.loss == loss
        {
            gap.range.last = right.range.last;
            gap.range.digest = right.range.digest;
            add(&mut gap.counts, &right.counts);
            self.tables.gaps.remove(right.range.first)?;
            self.state.gaps.undeclared = self.state.gaps.undeclared.saturating_sub(1);
        }
        let row = gap.write();
        self.tables.gaps.insert(gap.range.first, row.as_slice())?;
        self.state.gaps.undeclared = self.state.gaps.undeclared.saturating_add(1);
        self.dirty = true;
        Ok(first_seen)
    }

    fn gap(&self, first: u64) -> Result<Option<Gap>> {
        match self.tables.gaps.get(first, |row| Gap::read(first, row))? {
            None => Ok(None),
            Some(gap) => gap.map(Some).ok_or_else(|| damaged("gaps")),
        }
    }

    fn gap_before(&self, sequence: u64) -> Result<Option<Gap>> {
        match self.tables.gaps.last_in(..sequence, Gap::read)? {
            None => Ok(None),
            Some(gap) => gap.map(Some).ok_or_else(|| damaged("gaps")),
        }
    }

    /// The gaps that fit, `most` at most, from `first` on.
    fn gaps(&self, fits: impl Fn(&Gap) -> bool, most: usize) -> Result<Vec<Gap>> {
        let mut found = Vec::new();
        self.tables.gaps.walk(0.., |first, row| {
            let gap = Gap::read(first, row).ok_or_else(|| damaged("gaps"))?;
            if fits(&gap) {
                found.push(gap);
            }
            Ok(match found.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        })?;
        Ok(found)
    }

    fn put_gap(&mut self, gap: &Gap) -> Result<()> {
        let row = gap.write();
        self.tables.gaps.insert(gap.range.first, row.as_slice())?;
        self.written = self.written.saturating_add(row.len() as u64);
        self.dirty = true;
        Ok(())
    }

    /// Writes events that declare every range that none declares yet.
    pub(super) fn declare(&mut self, now: i64) -> Result<()> {
        let lost = std::mem::take(&mut self.state.spool.lost_of_other_chain);
        if lost > 0 {
            let fault = Fault {
                code: "spool.dropped",
                message: format!(
                    "{} of a chain that was kept in memory while the store could not be written will not arrive: the spool was full, or a sink refused them",
                    counted(lost, "event")
                ),
                severity: Severity::High,
            };
            for draft in own::drafts(self.source, &Lifecycle::Fault(fault), now) {
                self.append(draft, rank(None), Role::Own, &[], None, now)?;
            }
        }
        while self.state.gaps.undeclared > 0 {
            let mut some = false;
            for loss in Loss::ALL {
                let fits = |gap: &Gap| gap.declared == 0 && gap.loss == loss;
                let gaps = self.gaps(fits, Dropped::MOST)?;
                if gaps.is_empty() {
                    continue;
                }
                some = true;
                let mut dropped = Dropped {
                    reason: loss.words().into(),
                    ..Dropped::default()
                };
                for gap in &gaps {
                    dropped.count = dropped.count.saturating_add(gap.counts.iter().sum::<u64>());
                    dropped
                        .by_rank
                        .iter_mut()
                        .zip(gap.counts)
                        .for_each(|(all, more)| *all = all.saturating_add(more));
                    dropped.lost.push(gap.range);
                }
                let draft = own::dropped(self.source, &dropped, now);
                self.append(draft, rank(None), Role::Gap, &[], None, now)?;
                let declared = self.chain.head.sequence;
                for gap in gaps {
                    self.put_gap(&Gap { declared, ..gap })?;
                    self.state.gaps.undeclared = self.state.gaps.undeclared.saturating_sub(1);
                }
            }
            self.state.gaps.declared = now;
            if !some {
                // The count was wrong; what it counts is not there.
                self.state.gaps.undeclared = 0;
            }
        }
        Ok(())
    }

    /// The event that declared ranges is itself lost: they are declared again.
    fn declare_anew(&mut self, declared: u64) -> Result<()> {
        loop {
            let gaps = self.gaps(|gap| gap.declared == declared, 500)?;
            if gaps.is_empty() {
                return Ok(());
            }
            for gap in gaps {
                self.put_gap(&Gap { declared: 0, ..gap })?;
                self.state.gaps.undeclared = self.state.gaps.undeclared.saturating_add(1);
            }
        }
    }

    /// The event that declared ranges arrived: they need not be remembered.
    pub(super) fn declared_arrived(&mut self, declared: u64) -> Result<()> {
        for gap in self.gaps(|gap| gap.declared == declared, usize::MAX)? {
            self.tables.gaps.remove(gap.range.first)?;
            self.dirty = true;
        }
        Ok(())
    }
}
