//! One chain after the other, from its first event to the last one known of.

use super::facts::ChainFacts;
use super::rows::{ChainKey, Link, Sha};
use super::streams::{ChainPosition, Claims, Streams, in_order};
use super::taken::{Taken, strays};
use super::uids::Faults;
use super::{ChainSummary, Problem, Reporter, Totals};
use agent_core::error::Result;
use std::collections::{HashSet, VecDeque};

/// Places told last; an edit shows in several ways at places beside one another.
const TOLD: usize = 64;

/// Judges all chains, in the order of their ids: those of agents begin with the time they were begun.
pub(super) fn judge(mut parts: Vec<Taken>, tell: &mut dyn Reporter) -> Result<Totals> {
    let mut totals = Totals {
        foreign: parts.iter().map(|part| part.foreign).sum(),
        ..Totals::default()
    };
    let (first, strays) = strays(&mut parts);
    (totals.strays, totals.faults) = (strays, strays);
    for stray in &first {
        tell.stray(stray)?;
    }
    let known: u64 = parts.iter().map(|part| part.known).sum();
    let (mut streams, mut facts, mut uids) = in_order(parts)?;
    totals.repeated = known.saturating_sub(uids.distinct);
    totals.heartbeats = uids.heartbeats;
    totals.faults = totals.faults.saturating_add(uids.elsewhere);
    while let Some(facts) = facts.next()? {
        let ChainFacts {
            chain,
            seen: true,
            id,
            host,
            reason,
        } = facts
        else {
            // Another host's chain, which this one's state came from: its log is elsewhere.
            continue;
        };
        let mut walk = Walk {
            streams: &mut streams,
            chain,
            tell: &mut *tell,
            summary: ChainSummary {
                id,
                host,
                reason,
                ..ChainSummary::default()
            },
            edited: VecDeque::new(),
            shared: HashSet::new(),
            named: None,
        };
        walk.uids(uids.problems.remove(&chain).unwrap_or_default())?;
        walk.run()?;
        let summary = walk.summary;
        totals.chains = totals.chains.saturating_add(1);
        totals.events = totals.events.saturating_add(summary.events);
        totals.faults = totals.faults.saturating_add(summary.faults);
        totals.declared = totals.declared.saturating_add(summary.declared);
        totals.late = totals.late.saturating_add(summary.late);
        tell.chain(&summary)?;
    }
    Ok(totals)
}

/// What is known of the digest of the event before the next one.
type Before = Option<Sha>;

struct Walk<'a> {
    streams: &'a mut Streams,
    chain: ChainKey,
    tell: &'a mut dyn Reporter,
    summary: ChainSummary,
    /// Sequences already told as edited; the last few are enough.
    edited: VecDeque<u64>,
    /// Those whose uid stands on something else as well.
    shared: HashSet<u64>,
    /// The last place that something is said of.
    named: Option<u64>,
}

/// Two neighbours that do not fit together: the second names other bytes than the first has.
#[derive(Clone, Copy)]
struct Misfit {
    second: u64,
}

impl Misfit {
    fn first(self) -> u64 {
        self.second.saturating_sub(1)
    }
}

/// Of all that claim a place the one that most speaks for: the event after it, heartbeats, the event before it.
fn true_one<'a>(
    place: &'a ChainPosition,
    next: Option<&ChainPosition>,
    claims: &Claims,
    before: Before,
) -> Option<&'a Link> {
    let next = next.filter(|next| place.sequence.checked_add(1) == Some(next.sequence));
    let weight = |one: &Link| {
        let names = |later: &Link| later.prev == Some(one.digest);
        (
            next.is_some_and(|next| next.versions.iter().any(names)),
            claims.digests.contains(&one.digest),
            before.is_some() && one.prev == before,
        )
    };
    let better = |best, other| match weight(other) > weight(best) {
        true => other,
        false => best,
    };
    place.versions.iter().reduce(better)
}

impl Walk<'_> {
    /// Tells of uids that stand on several events.
    fn uids(&mut self, faults: Faults) -> Result<()> {
        for problem in &faults.listed {
            if let Problem::Edited { sequence, .. } = problem {
                self.shared.insert(*sequence);
            }
            self.problem(problem)?;
        }
        self.add_faults(faults.unlisted);
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        self.streams.gaps.begin();
        // `None`: no sequence is left.
        let mut next = Some(1);
        let mut before: Before = None;
        let mut misfit: Option<Misfit> = None;
        let mut ahead = self.streams.places.next(self.chain)?;
        while let Some(place) = ahead {
            ahead = self.streams.places.next(self.chain)?;
            let sequence = place.sequence;
            self.summary.events = self.summary.events.saturating_add(1);
            if self.summary.first == 0 {
                self.summary.first = sequence;
            }
            self.summary.last = sequence;
            if let Some(next) = next.filter(|next| sequence > *next) {
                self.unresolved(&mut misfit)?;
                before = self.lost(next, sequence.saturating_sub(1), before, "")?;
            }
            let claims = self.claims(sequence)?;
            let Some(one) = true_one(&place, ahead.as_ref(), &claims, before) else {
                continue;
            };
            self.doubtful(&place)?;
            self.fit(one, before, &mut misfit)?;
            self.claimed(one, &claims, &mut misfit)?;
            if one.after > 0 {
                self.late(one, ahead.as_ref(), &claims, before)?;
            }
            before = Some(one.digest);
            next = sequence.checked_add(1);
        }
        self.unresolved(&mut misfit)?;
        self.claims(u64::MAX)?;
        if let Some((next, last)) = next.zip(self.named).filter(|(next, last)| last >= next) {
            let note = "a heartbeat names them: lost, or not shipped yet";
            self.lost(next, last, before, note)?;
        }
        Ok(())
    }

    /// What is said of that place. What is said of places before it is told where it contradicts itself.
    fn claims(&mut self, sequence: u64) -> Result<Claims> {
        while let Some(claims) = self.streams.heads.next(self.chain, sequence)? {
            if claims.bad {
                self.edited(claims.sequence, "a heartbeat names no digest of it".into())?;
            }
            if claims.digests.len() > 1 {
                let note = "heartbeats do not agree on its digest";
                self.edited(claims.sequence, note.into())?;
            }
            if !claims.digests.is_empty() {
                self.named = Some(claims.sequence);
            }
            if claims.sequence == sequence {
                return Ok(claims);
            }
        }
        Ok(Claims::default())
    }

    /// Tells what is wrong with a place whatever stands beside it.
    fn doubtful(&mut self, place: &ChainPosition) -> Result<()> {
        if place.count > 1 {
            let note = "its place in the chain is claimed by another";
            self.edited(place.sequence, note.into())?;
        }
        if place.versions.iter().any(|one| one.bad_prev) {
            let note = "what it names before it is no digest";
            self.edited(place.sequence, note.into())?;
        }
        if place.versions.iter().any(|one| one.bad_range) {
            self.edited(place.sequence, "what it declares is no range".into())?;
        }
        Ok(())
    }

    /// Whether the event names the one before it.
    fn fit(&mut self, one: &Link, before: Before, misfit: &mut Option<Misfit>) -> Result<()> {
        let sequence = one.sequence;
        let fits = match (before, one.prev) {
            // The first has none before it, and only the first.
            _ if sequence == 1 => one.prev.is_none(),
            (None, prev) => prev.is_some(),
            (Some(before), prev) => prev == Some(before),
        };
        match (misfit.take(), fits) {
            (None, true) => Ok(()),
            // Its successor vouches for the second one, so it was the first.
            (Some(pair), true) => self.first_of(pair),
            (None, false) if sequence == 1 => {
                self.edited(1, "it names an event before the first".into())
            }
            (None, false) if before.is_none() => {
                self.edited(sequence, "it names no event before it".into())
            }
            (None, false) => {
                *misfit = Some(Misfit { second: sequence });
                Ok(())
            }
            (Some(pair), false) => {
                let first = pair.first();
                self.edited(
                    pair.second,
                    format!(
                        "it names other bytes than {first} has, and {sequence} names other bytes than its own; nothing vouches for {first}"
                    ),
                )
            }
        }
    }

    /// Whether heartbeats name the event.
    fn claimed(&mut self, one: &Link, claims: &Claims, misfit: &mut Option<Misfit>) -> Result<()> {
        if claims.digests.is_empty() {
            return Ok(());
        }
        if !claims.digests.contains(&one.digest) {
            return self.edited(one.sequence, "a heartbeat names other bytes".into());
        }
        match misfit.take() {
            // The heartbeat vouches for it, so it was the one before.
            Some(pair) => self.first_of(pair),
            None => Ok(()),
        }
    }

    fn first_of(&mut self, pair: Misfit) -> Result<()> {
        self.edited(
            pair.first(),
            format!("its bytes are not those that {} names", pair.second),
        )
    }

    /// Two neighbours do not fit and nothing tells which of them was edited.
    fn unresolved(&mut self, misfit: &mut Option<Misfit>) -> Result<()> {
        let Some(pair) = misfit.take() else {
            return Ok(());
        };
        self.edited(
            pair.first(),
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
            let end = match self.streams.gaps.at(self.chain, next)? {
                Some(range) => {
                    let end = range.last.min(last);
                    // Only the borders of a range say something of its neighbours.
                    if range.first == next
                        && let (Some(was), Some(named)) = (before, range.prev)
                        && was != named
                    {
                        self.edited(
                            next.saturating_sub(1),
                            format!(
                                "its bytes are not those that the declared loss of {next} names"
                            ),
                        )?;
                    }
                    self.problem(&Problem::Declared {
                        first: next,
                        last: end,
                    })?;
                    before = (range.last == end).then_some(range.digest);
                    end
                }
                None => {
                    let declared = self.streams.gaps.after(self.chain, next)?;
                    let end = declared.map_or(last, |at| last.min(at.saturating_sub(1)));
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

    /// Whoever can write into the log can name any sequence: counts may end at the highest there is.
    fn add_faults(&mut self, count: u64) {
        self.summary.faults = self.summary.faults.saturating_add(count);
    }

    /// Judges an event that stands after a later one.
    fn late(
        &mut self,
        one: &Link,
        next: Option<&ChainPosition>,
        claims: &Claims,
        before: Before,
    ) -> Result<()> {
        match self.belongs(one, next, claims, before)? {
            true => self.summary.late = self.summary.late.saturating_add(1),
            false => self.problem(&Problem::Reordered {
                sequence: one.sequence,
                after: one.after,
            })?,
        }
        Ok(())
    }

    /// Whether digests confirm the place that the event's sequence gives it, or nothing contradicts it: what is named
    /// by the event after it, by a heartbeat, by a declared loss after it; else what it names before it.
    fn belongs(
        &mut self,
        one: &Link,
        next: Option<&ChainPosition>,
        claims: &Claims,
        before: Before,
    ) -> Result<bool> {
        let after = one.sequence.checked_add(1);
        let mut named: Vec<bool> = Vec::new();
        if !claims.digests.is_empty() {
            named.push(claims.digests.contains(&one.digest));
        }
        match (next, after) {
            (Some(next), Some(after)) if next.sequence == after => {
                let mut names = next
                    .versions
                    .iter()
                    .filter_map(|later| later.prev)
                    .peekable();
                if names.peek().is_some() {
                    named.push(names.any(|prev| prev == one.digest));
                }
            }
            (_, Some(after)) => {
                let range = self.streams.gaps.at(self.chain, after)?;
                let prev = range.filter(|range| range.first == after);
                named.extend(
                    prev.and_then(|range| range.prev)
                        .map(|prev| prev == one.digest),
                );
            }
            (_, None) => {}
        }
        match named.is_empty() {
            true => Ok(before.is_none_or(|before| one.prev == Some(before))),
            false => Ok(named.into_iter().all(|named| named)),
        }
    }

    fn edited(&mut self, sequence: u64, note: String) -> Result<()> {
        if self.edited.contains(&sequence) || self.shared.contains(&sequence) {
            return Ok(());
        }
        self.problem(&Problem::Edited { sequence, note })
    }

    fn problem(&mut self, problem: &Problem) -> Result<()> {
        match problem {
            Problem::Missing { first, last, .. } => {
                self.add_faults(last.saturating_sub(*first).saturating_add(1))
            }
            Problem::Declared { first, last } => {
                let count = last.saturating_sub(*first).saturating_add(1);
                self.summary.declared = self.summary.declared.saturating_add(count);
            }
            Problem::Edited { sequence, .. } => {
                self.add_faults(1);
                if self.edited.len() == TOLD {
                    self.edited.pop_front();
                }
                self.edited.push_back(*sequence);
            }
            Problem::Reordered { .. } => self.add_faults(1),
        }
        self.tell.problem(&self.summary.id, problem)
    }
}
