//! One chain after the other, from its first event to the last one known of.

use super::index::{GapRow, Open, Sha, trouble};
use super::{ChainSummary, Problem, Reporter, Totals};
use agent_core::error::Result;
use redb::ReadableTable;

/// Judges all chains.
pub(super) fn judge(index: &mut Open<'_, '_>, tell: &mut dyn Reporter) -> Result<Totals> {
    let mut totals = std::mem::take(&mut index.known.totals);
    let chains = std::mem::take(&mut index.known.chains);
    for (number, mut facts) in chains.into_iter().enumerate() {
        if !facts.seen {
            // Another host's chain, which this one's state came from: its log is elsewhere.
            continue;
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut walk = Walk {
            index,
            chain: number,
            tell,
            summary: ChainSummary {
                id: std::mem::take(&mut facts.id),
                host: std::mem::take(&mut facts.host),
                reason: std::mem::take(&mut facts.reason),
                ..ChainSummary::default()
            },
            edited: Vec::new(),
        };
        for problem in &facts.problems {
            walk.problem(problem)?;
        }
        walk.add_faults(facts.unlisted);
        walk.run()?;
        walk.late()?;
        let summary = walk.summary;
        totals.chains += 1;
        totals.faults = totals.faults.saturating_add(summary.faults);
        totals.declared = totals.declared.saturating_add(summary.declared);
        totals.late += summary.late;
        tell.chain(&summary)?;
    }
    Ok(totals)
}

/// What is known of the digest of the event before the next one.
type Before = Option<Sha>;

struct Walk<'a, 't, 'k> {
    index: &'a Open<'t, 'k>,
    chain: u32,
    tell: &'a mut dyn Reporter,
    summary: ChainSummary,
    /// Sequences already told as edited; the last few are enough.
    edited: Vec<u64>,
}

/// Two neighbours that do not fit together: the second names other bytes than the first has.
#[derive(Clone, Copy)]
struct Misfit {
    second: u64,
}

impl Walk<'_, '_, '_> {
    fn run(&mut self) -> Result<()> {
        // `None`: no sequence is left.
        let mut next = Some(1);
        let mut before: Before = None;
        let mut misfit: Option<Misfit> = None;
        let range = (self.chain, 0)..=(self.chain, u64::MAX);
        for row in self.index.events.range(range).map_err(trouble)? {
            let (key, row) = row.map_err(trouble)?;
            let (sequence, (digest, prev)) = (key.value().1, row.value());
            self.summary.events += 1;
            if self.summary.first == 0 {
                self.summary.first = sequence;
            }
            self.summary.last = sequence;
            if let Some(next) = next.filter(|next| sequence > *next) {
                self.unresolved(&mut misfit)?;
                before = self.lost(next, sequence - 1, before, "")?;
            }
            let fits = match (before, prev) {
                // The first has none before it, and only the first.
                _ if sequence == 1 => prev.is_none(),
                (None, prev) => prev.is_some(),
                (Some(before), prev) => prev == Some(before),
            };
            match (misfit.take(), fits) {
                (None, true) => {}
                // Its successor vouches for the second one, so it was the first.
                (Some(pair), true) => self.edited(
                    pair.second - 1,
                    format!("its bytes are not those that {} names", pair.second),
                )?,
                (None, false) if sequence == 1 => {
                    self.edited(1, "it names an event before the first".into())?;
                }
                (None, false) if before.is_none() => {
                    self.edited(sequence, "it names no event before it".into())?;
                }
                (None, false) => misfit = Some(Misfit { second: sequence }),
                (Some(pair), false) => self.edited(
                    pair.second,
                    format!(
                        "it names other bytes than {} has, and {sequence} names other bytes than its own; nothing vouches for {}",
                        pair.second - 1,
                        pair.second - 1
                    ),
                )?,
            }
            let claimed = self.claimed(sequence)?;
            if claimed.is_some_and(|claimed| claimed != digest) {
                self.edited(sequence, "a heartbeat names other bytes".into())?;
            } else if claimed.is_some()
                && let Some(pair) = misfit.take()
            {
                // The heartbeat vouches for it, so it was the one before.
                self.edited(
                    pair.second - 1,
                    format!("its bytes are not those that {} names", pair.second),
                )?;
            }
            before = Some(digest);
            next = sequence.checked_add(1);
        }
        self.unresolved(&mut misfit)?;
        let range = (self.chain, 0)..=(self.chain, u64::MAX);
        let mut heads = self.index.heads.range(range).map_err(trouble)?;
        if let Some(head) = heads.next_back() {
            let last = head.map_err(trouble)?.0.value().1;
            if let Some(next) = next.filter(|next| last >= *next) {
                let note = "a heartbeat names them: lost, or not shipped yet";
                self.lost(next, last, before, note)?;
            }
        }
        Ok(())
    }

    /// Two neighbours do not fit and nothing tells which of them was edited.
    fn unresolved(&mut self, misfit: &mut Option<Misfit>) -> Result<()> {
        let Some(pair) = misfit.take() else {
            return Ok(());
        };
        self.edited(
            pair.second - 1,
            format!(
                "its bytes are not those that {} names: one of the two was edited",
                pair.second
            ),
        )
    }

    /// These are not there. Returns what is known of the digest of the last of them.
    fn lost(
        &mut self,
        first: u64,
        last: u64,
        before: Before,
        note: &'static str,
    ) -> Result<Before> {
        let mut from_here = Some(first);
        let mut before = before;
        while let Some(next) = from_here.filter(|next| *next <= last) {
            let end = match self.declared_at(next)? {
                Some((from, to, (prev, digest))) => {
                    let end = to.min(last);
                    // Only the borders of a range say something of its neighbours.
                    if from == next
                        && let (Some(was), Some(named)) = (before, prev)
                        && was != named
                    {
                        self.edited(
                            next - 1,
                            format!(
                                "its bytes are not those that the declared loss of {next} names"
                            ),
                        )?;
                    }
                    self.problem(&Problem::Declared {
                        first: next,
                        last: end,
                    })?;
                    before = (to == end).then_some(digest);
                    end
                }
                None => {
                    let end = self
                        .next_declared(next)?
                        .map_or(last, |at| last.min(at - 1));
                    self.problem(&Problem::Missing {
                        first: next,
                        last: end,
                        note,
                    })?;
                    before = None;
                    end
                }
            };
            from_here = end.checked_add(1);
        }
        Ok(before)
    }

    /// The declared range that `sequence` is in.
    fn declared_at(&self, sequence: u64) -> Result<Option<(u64, u64, GapRow)>> {
        let range = (self.chain, 0, 0)..=(self.chain, sequence, u64::MAX);
        // Ranges do not overlap, but one may have been declared again as part of a larger one.
        for row in self
            .index
            .gaps
            .range(range)
            .map_err(trouble)?
            .rev()
            .take(64)
        {
            let (key, row) = row.map_err(trouble)?;
            let (_, first, last) = key.value();
            if last >= sequence {
                return Ok(Some((first, last, row.value())));
            }
        }
        Ok(None)
    }

    /// Where the next declared range after `sequence` begins.
    fn next_declared(&self, sequence: u64) -> Result<Option<u64>> {
        let Some(after) = sequence.checked_add(1) else {
            return Ok(None);
        };
        let range = (self.chain, after, 0)..=(self.chain, u64::MAX, u64::MAX);
        match self.index.gaps.range(range).map_err(trouble)?.next() {
            None => Ok(None),
            Some(row) => Ok(Some(row.map_err(trouble)?.0.value().1)),
        }
    }

    fn claimed(&self, sequence: u64) -> Result<Before> {
        let row = self
            .index
            .heads
            .get((self.chain, sequence))
            .map_err(trouble)?;
        Ok(row.map(|row| row.value()))
    }

    /// Whoever can write into the log can name any sequence: counts may end at the highest there is.
    fn add_faults(&mut self, count: u64) {
        self.summary.faults = self.summary.faults.saturating_add(count);
    }

    /// Judges the events that stand after later ones.
    fn late(&mut self) -> Result<()> {
        let range = (self.chain, 0)..=(self.chain, u64::MAX);
        for row in self.index.late.range(range).map_err(trouble)? {
            let (key, after) = row.map_err(trouble)?;
            let (sequence, after) = (key.value().1, after.value());
            match self.belongs(sequence)? {
                true => self.summary.late += 1,
                false => self.problem(&Problem::Reordered { sequence, after })?,
            }
        }
        Ok(())
    }

    /// Whether digests confirm the place that the event's sequence gives it, or nothing contradicts it: what is named
    /// by the event after it, by a heartbeat, by a declared loss after it; else what it names before it.
    fn belongs(&self, sequence: u64) -> Result<bool> {
        let Some((digest, prev)) = self.index.event(self.chain, Some(sequence))? else {
            return Ok(true);
        };
        let next = sequence.checked_add(1);
        let mut named = vec![self.claimed(sequence)?];
        if let Some((_, prev)) = self.index.event(self.chain, next)? {
            named.push(prev);
        } else if let Some(next) = next
            && let Some((first, _, (prev, _))) = self.declared_at(next)?
            && first == next
        {
            named.push(prev);
        }
        let mut named = named.into_iter().flatten().peekable();
        if named.peek().is_some() {
            return Ok(named.all(|named| named == digest));
        }
        let before = self.index.event(self.chain, sequence.checked_sub(1))?;
        Ok(before.is_none_or(|(before, _)| prev == Some(before)))
    }

    fn edited(&mut self, sequence: u64, note: String) -> Result<()> {
        if self.edited.contains(&sequence) {
            return Ok(());
        }
        self.problem(&Problem::Edited { sequence, note })
    }

    fn problem(&mut self, problem: &Problem) -> Result<()> {
        match problem {
            Problem::Missing { first, last, .. } => {
                self.add_faults((last - first).saturating_add(1))
            }
            Problem::Declared { first, last } => {
                let count = (last - first).saturating_add(1);
                self.summary.declared = self.summary.declared.saturating_add(count);
            }
            Problem::Edited { sequence, .. } => {
                self.add_faults(1);
                self.edited.push(*sequence);
                if self.edited.len() > 64 {
                    self.edited.remove(0);
                }
            }
            Problem::Reordered { .. } => self.add_faults(1),
        }
        self.tell.problem(&self.summary.id, problem)
    }
}
