//! Rows of all chains, handed out chain by chain.

use super::facts::AllFacts;
use super::rows::{ChainKey, Claim, GAP, HEAD, LINK, Link, Sha, chain_of, range_of_row};
use super::sorted::{Sorted, Sorter};
use super::taken::Taken;
use super::uids::{self, Uids};
use crate::event::gap::Range;
use agent_core::error::Result;
use std::collections::VecDeque;

/// What is known of all chains, in order.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) places: ChainPositions,
    pub(super) heads: Heads,
    pub(super) gaps: Gaps,
}

/// Puts everything in order; the uids are gone through meanwhile.
pub(super) fn in_order(parts: Vec<Taken>) -> Result<(Streams, AllFacts, Uids)> {
    let (mut links, mut heads) = (Vec::new(), Vec::new());
    let (mut gaps, mut all) = (Vec::new(), Vec::new());
    let mut facts = Vec::new();
    for part in parts {
        links.push(part.links);
        heads.push(part.heads);
        gaps.push(part.gaps);
        all.push(part.uids);
        facts.push(part.facts.rows);
    }
    std::thread::scope(|scope| {
        let uids = scope.spawn(|| uids::judge(Sorter::merged(all)?));
        let streams = Streams {
            places: ChainPositions::new(Rows::new(Sorter::merged(links)?)?),
            heads: Heads::new(Rows::new(Sorter::merged(heads)?)?),
            gaps: Gaps::new(Rows::new(Sorter::merged(gaps)?)?),
        };
        let facts = AllFacts::new(facts)?;
        match uids.join() {
            Ok(uids) => Ok((streams, facts, uids?)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Rows in order, one of them ahead.
#[derive(Debug)]
pub(super) struct Rows<const N: usize> {
    sorted: Sorted<N>,
    ahead: Option<[u8; N]>,
}

impl<const N: usize> Rows<N> {
    pub(super) fn new(mut sorted: Sorted<N>) -> Result<Rows<N>> {
        let ahead = sorted.next()?;
        Ok(Rows { sorted, ahead })
    }

    /// The next row of the chain, which stays; those of chains before it are passed over.
    fn peek(&mut self, chain: ChainKey) -> Result<Option<&[u8; N]>> {
        while self.ahead.as_ref().is_some_and(|row| chain_of(row) < chain) {
            self.ahead = self.sorted.next()?;
        }
        Ok(self.ahead.as_ref().filter(|row| chain_of(*row) == chain))
    }

    fn pass(&mut self) -> Result<()> {
        self.ahead = self.sorted.next()?;
        Ok(())
    }
}

/// Of one place at most so many versions are looked at; those beyond are counted.
// Own bound: several are a fault, whatever they are.
const MOST_VERSIONS: usize = 64;

/// All that claim one place of a chain: one, unless something was edited.
#[derive(Clone, Debug)]
pub(super) struct ChainPosition {
    pub(super) sequence: u64,
    pub(super) versions: Vec<Link>,
    /// Of them with those that are only counted.
    pub(super) count: u64,
}

/// The places of a chain, in order.
#[derive(Debug)]
pub(super) struct ChainPositions {
    rows: Rows<LINK>,
}

impl ChainPositions {
    pub(super) fn new(rows: Rows<LINK>) -> ChainPositions {
        ChainPositions { rows }
    }

    /// The next place of the chain.
    pub(super) fn next(&mut self, chain: ChainKey) -> Result<Option<ChainPosition>> {
        let Some(row) = self.rows.peek(chain)? else {
            return Ok(None);
        };
        let first = Link::of_row(row);
        let mut last = first.digest;
        self.rows.pass()?;
        let mut place = ChainPosition {
            sequence: first.sequence,
            versions: vec![first],
            count: 1,
        };
        while let Some(row) = self.rows.peek(chain)? {
            let version = Link::of_row(row);
            if version.sequence != place.sequence {
                break;
            }
            self.rows.pass()?;
            // The same bytes again, elsewhere in the order: the one that stands best comes first.
            if version.digest == last {
                continue;
            }
            last = version.digest;
            place.count = place.count.saturating_add(1);
            if place.versions.len() < MOST_VERSIONS {
                place.versions.push(version);
            }
        }
        Ok(Some(place))
    }
}

/// What is said of ends of chains.
#[derive(Debug)]
pub(super) struct Heads {
    rows: Rows<HEAD>,
}

/// What is said of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) sequence: u64,
    /// Different digests; two are enough for a fault.
    pub(super) digests: Vec<Sha>,
    /// Something that is no digest is named.
    pub(super) bad: bool,
}

impl Heads {
    pub(super) fn new(rows: Rows<HEAD>) -> Heads {
        Heads { rows }
    }

    /// What is said of the next place that something is said of, up to that sequence.
    pub(super) fn next(&mut self, chain: ChainKey, most: u64) -> Result<Option<Claims>> {
        let mut found: Option<Claims> = None;
        while let Some(row) = self.rows.peek(chain)? {
            let claim = Claim::of_row(row);
            let sequence = found
                .as_ref()
                .map_or(claim.sequence, |found| found.sequence);
            if claim.sequence > most || claim.sequence != sequence {
                break;
            }
            self.rows.pass()?;
            let claims = found.get_or_insert_with(|| Claims {
                sequence,
                ..Claims::default()
            });
            match claim.digest {
                None => claims.bad = true,
                Some(digest) if claims.digests.len() < MOST_VERSIONS => claims.digests.push(digest),
                Some(_) => {}
            }
        }
        Ok(found)
    }
}

/// Of ranges that begin before a place the last so many are looked at.
// Own bound: ranges do not overlap, but one may have been declared again as part of a larger one.
const MOST_RANGES: usize = 64;

/// Declared losses of a chain, asked for at places that never go back by more than one.
#[derive(Debug)]
pub(super) struct Gaps {
    rows: Rows<GAP>,
    /// Begun before the place that was asked for last.
    begun: VecDeque<Range>,
}

impl Gaps {
    pub(super) fn new(rows: Rows<GAP>) -> Gaps {
        Gaps {
            rows,
            begun: VecDeque::new(),
        }
    }

    /// What follows is of another chain.
    pub(super) fn begin(&mut self) {
        self.begun.clear();
    }

    fn go(&mut self, chain: ChainKey, sequence: u64) -> Result<()> {
        while let Some(row) = self.rows.peek(chain)? {
            let range = range_of_row(row);
            if range.first > sequence {
                break;
            }
            self.rows.pass()?;
            if self.begun.len() == MOST_RANGES {
                self.begun.pop_front();
            }
            self.begun.push_back(range);
        }
        Ok(())
    }

    /// The declared range that `sequence` is in.
    pub(super) fn at(&mut self, chain: ChainKey, sequence: u64) -> Result<Option<Range>> {
        self.go(chain, sequence)?;
        let holds = |range: &&Range| range.first <= sequence && sequence <= range.last;
        Ok(self.begun.iter().rev().find(holds).copied())
    }

    /// Where the next declared range after `sequence` begins.
    pub(super) fn after(&mut self, chain: ChainKey, sequence: u64) -> Result<Option<u64>> {
        self.go(chain, sequence)?;
        let begun = self.begun.iter().map(|range| range.first);
        if let Some(first) = begun.filter(|first| *first > sequence).min() {
            return Ok(Some(first));
        }
        let row = self.rows.peek(chain)?;
        Ok(row.map(|row| range_of_row(row).first))
    }
}
