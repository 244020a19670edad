//! A spool or a ledger that is full: the least severe of the fullest directory is given up, counted and told. Never what
//! is critical.

use super::order;
use super::rows::Rows;
use super::tables::{
    LEDGER_RANKS, Loss, OWN, Result, Row, damaged, entry_from_row, rank, size_of_entry,
};
use super::write_transaction::WriteTransaction;
use std::ops::ControlFlow;

/// Ranks of events that may be given up, in the order in which they are; what is critical is not among them.
const EVENT_RANKS: [u8; 4] = [0, 1, 2, OWN];
/// The part of the ledger's room that is made at a time, so that it is not gone through for every finding.
const LEDGER_STEP: u64 = 16;
/// Rows that are removed at a time.
const AT_ONCE: usize = 1000;

/// Where findings are given up first: in the fullest directory of the least severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fullest {
    rank: u8,
    prefix: Vec<u8>,
}

impl WriteTransaction<'_> {
    /// Gives up what goes first until the spool is below its limit, and declares it.
    pub(super) fn make_room(&mut self, now: i64) -> Result<()> {
        if self.state.spool.payload <= self.payload_limit() {
            return Ok(());
        }
        let target = self.payload_limit().saturating_sub(self.limits.step());
        self.shrink(target, now)
    }

    /// Gives up the least severe of the fullest directory until at most `target` bytes are left, and declares it.
    pub(super) fn shrink(&mut self, target: u64, now: i64) -> Result<()> {
        'ranks: for rank in EVENT_RANKS {
            while self.state.spool.payload > target {
                let fullest = fullest(&self.tables.eviction, vec![rank], order::child, |_, ()| {
                    true
                })?;
                let Some(Directory { prefix, rows }) = fullest else {
                    continue 'ranks;
                };
                // Another one is the fullest when half of it is gone.
                self.evict_in(&prefix, rows.div_ceil(2), target)?;
            }
        }
        self.declare(now)
    }

    /// Gives up events of a directory: at most `most`, and none once at most `target` bytes are left.
    fn evict_in(&mut self, prefix: &[u8], most: u64, target: u64) -> Result<()> {
        let mut left = most;
        while left > 0 && self.state.spool.payload > target {
            let mut keys = Vec::new();
            self.tables.eviction.walk(prefix.., |key, ()| {
                let inside = key.starts_with(prefix);
                if inside {
                    keys.push(key.to_vec());
                }
                let full = keys.len() >= AT_ONCE || keys.len() as u64 >= left;
                Ok(go_on(inside && !full))
            })?;
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                if self.state.spool.payload <= target {
                    return Ok(());
                }
                left = left.saturating_sub(1);
                let place = order::place(&key).ok_or_else(|| damaged("eviction"))?;
                self.evict(place)?;
            }
        }
        Ok(())
    }

    /// Gives up one event. What it told of a deviation that stands is told anew once there is room.
    fn evict(&mut self, place: u64) -> Result<()> {
        let taken = self.tables.spool.take(place, <[u8]>::to_vec)?;
        let Some(row) = taken.as_deref().and_then(Row::read) else {
            return Err(damaged("spool"));
        };
        self.forget(place, &row)?;
        for sink in self.state.sinks.clone() {
            let key = order::waiting(sink, row.rank, row.key, place);
            self.tables.waiting.remove(key.as_slice())?;
        }
        self.state.spool.dropped = self.state.spool.dropped.saturating_add(1);
        let first_seen = self.lose(&row, Loss::Full)?;
        self.unlist(&row)?;
        self.untell(&row, first_seen)
    }

    /// Takes an event, whose row was removed, out of all that counts it.
    pub(super) fn forget(&mut self, place: u64, row: &Row<'_>) -> Result<()> {
        let key = order::eviction(row.rank, row.key, place);
        self.tables.eviction.remove(key.as_slice())?;
        self.state.spool.events = self.state.spool.events.saturating_sub(1);
        self.state.spool.payload = self.state.spool.payload.saturating_sub(row.length);
        self.dirty = true;
        Ok(())
    }

    /// Whether the ledger takes in a new finding, after something less severe was given up for it if need be.
    pub(super) fn admit(
        &mut self,
        key: &[u8],
        severity: agent_core::finding::Severity,
    ) -> Result<bool> {
        let bytes = self.state.ledger.ledger_bytes;
        if bytes.saturating_add(size_of_entry(key)) <= self.limits.ledger {
            return Ok(true);
        }
        let own = rank(Some(severity));
        let critical = !LEDGER_RANKS.contains(&own);
        let yields = |fullest: &Fullest| {
            let least = own < fullest.rank;
            least || (own == fullest.rank && key.starts_with(&fullest.prefix))
        };
        if !critical && self.fullest.as_ref().is_some_and(yields) {
            return Ok(false);
        }
        let Some(fullest) = self.fullest_in_ledger()? else {
            return Ok(critical);
        };
        let yields = !critical && yields(&fullest);
        self.fullest = Some(fullest.clone());
        if yields {
            return Ok(false);
        }
        self.give_up_in_ledger(&fullest)?;
        Ok(true)
    }

    fn fullest_in_ledger(&self) -> Result<Option<Fullest>> {
        for rank in LEDGER_RANKS {
            let of_rank = |_: &[u8], row: &[u8]| row.get(3) == Some(&rank);
            let fullest = fullest(&self.tables.ledger, Vec::new(), order::component, of_rank)?;
            if let Some(Directory { prefix, .. }) = fullest {
                return Ok(Some(Fullest { rank, prefix }));
            }
        }
        Ok(None)
    }

    fn give_up_in_ledger(&mut self, fullest: &Fullest) -> Result<()> {
        let Fullest { rank, prefix } = fullest;
        let ledger = self.limits.ledger;
        let target = ledger.saturating_sub(ledger / LEDGER_STEP);
        let mut from = prefix.clone();
        while self.state.ledger.ledger_bytes > target {
            let mut taken = Vec::new();
            let mut last = None;
            self.tables.ledger.walk(from.as_slice().., |key, row| {
                let inside = key.starts_with(prefix);
                if inside && row.get(3) == Some(rank) {
                    let entry = entry_from_row(row).ok_or_else(|| damaged("ledger"))?;
                    taken.push((key.to_vec(), entry));
                    last = Some(key.to_vec());
                }
                Ok(go_on(inside && taken.len() < AT_ONCE))
            })?;
            for (key, entry) in &taken {
                self.undefer(key)?;
                self.set_entry(key, Some(entry), None)?;
                self.state.ledger.given_up = self.state.ledger.given_up.saturating_add(1);
            }
            let Some(mut last) = last else {
                return Ok(());
            };
            last.push(0);
            from = last;
        }
        Ok(())
    }
}

fn go_on(more: bool) -> ControlFlow<()> {
    match more {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

/// A directory, and what lies in it and below.
struct Directory {
    prefix: Vec<u8>,
    rows: u64,
}

/// The fullest directory below a prefix: from there down to the heaviest, as long as that holds the greater part. `None`
/// if there is no row at all. `counts`: which rows do.
fn fullest<V: redb::Value + 'static>(
    table: &Rows<'_, &'static [u8], V>,
    mut prefix: Vec<u8>,
    child: impl Fn(&[u8], usize) -> Option<&[u8]>,
    counts: impl Fn(&[u8], V::SelfType<'_>) -> bool,
) -> Result<Option<Directory>> {
    let mut whole = None;
    loop {
        let mut total: u64 = 0;
        let mut heaviest: (u64, Vec<u8>) = (0, Vec::new());
        let mut present: (u64, Vec<u8>) = (0, Vec::new());
        table.walk(prefix.as_slice().., |key, row| {
            if !key.starts_with(&prefix) {
                return Ok(ControlFlow::Break(()));
            }
            if !counts(key, row) {
                return Ok(ControlFlow::Continue(()));
            }
            total = total.saturating_add(1);
            let Some(name) = child(key, prefix.len()) else {
                return Ok(ControlFlow::Continue(()));
            };
            if present.1 != name {
                present = (0, name.to_vec());
            }
            present.0 = present.0.saturating_add(1);
            if present.0 > heaviest.0 {
                heaviest.0 = present.0;
                if heaviest.1 != present.1 {
                    heaviest.1.clone_from(&present.1);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if total == 0 {
            return Ok(whole);
        }
        whole = Some(Directory {
            prefix: prefix.clone(),
            rows: total,
        });
        // A file is no directory, and several that are equally full stand together.
        if heaviest.0 < 2 || heaviest.0.saturating_mul(2) <= total {
            return Ok(whole);
        }
        prefix = heaviest.1;
    }
}
