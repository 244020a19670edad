//! What is known of chains besides their events: their ids, whose they are, why they were begun. As rows, like all else:
//! whoever writes into a log may name a chain in every line, and give each a reason as long as an event.

use super::rows::ChainKey;
use super::sorted::{Sorted, Sorter};
use agent_core::error::Result;
use std::collections::HashMap;

/// Where something was found: number of the file, number of the message in it.
pub(super) type MessagePosition = (usize, u64);

/// Bytes of a text in one row.
const PIECE: usize = 61;
/// Bytes of a text that are kept, and pieces that they fill.
// Own bound: what agents write is shorter; the cut is told.
const TEXT: usize = 4 * PIECE;
/// A fact, or a piece of it: by chain, kind, file, message, number of the piece; then its length and bytes.
pub(super) const FACT: usize = 16 + 1 + 8 + 8 + 1 + 1 + PIECE;
/// So many chains are remembered as told; those beyond are told again, which costs rows and changes nothing.
// Own bound: of memory, some 8 MB a thread.
const TOLD: usize = 200_000;
/// What stands for the rest of a text.
const CUT: &str = "…";

/// A kind of fact. In the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something of the chain is there, rather than a word of it in another one.
    Seen,
    /// Its id.
    Id,
    /// Whose it is, by the first event that says so.
    Host,
    /// Why it was begun, by its first event.
    Reason,
}

/// Takes in facts. Of a kind the first of a chain counts: messages come in the order of their positions.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) rows: Sorter<FACT>,
    /// Kinds that have been told, a bit each.
    told: HashMap<ChainKey, u8>,
    most: usize,
}

impl Facts {
    /// Holds so many bytes of rows in memory.
    pub(super) fn new(share: usize) -> Facts {
        Facts {
            rows: Sorter::new(share),
            told: HashMap::new(),
            most: TOLD,
        }
    }

    /// Notes a fact, unless one of its kind is known of the chain.
    pub(super) fn note(
        &mut self,
        chain: ChainKey,
        kind: Kind,
        at: MessagePosition,
        text: &str,
    ) -> Result<()> {
        if self.told.len() >= self.most && !self.told.contains_key(&chain) {
            self.told.clear();
        }
        let told = self.told.entry(chain).or_default();
        let bit = 1 << kind as u8;
        if *told & bit != 0 {
            return Ok(());
        }
        *told |= bit;
        let at = match kind {
            // The same wherever it stands: one row is enough.
            Kind::Seen | Kind::Id => (0, 0),
            Kind::Host | Kind::Reason => at,
        };
        let end = match text.len() <= TEXT {
            true => text.len(),
            false => text.floor_char_boundary(TEXT.saturating_sub(CUT.len())),
        };
        let (kept, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let kept = match rest {
            "" => kept.to_owned(),
            _ => format!("{kept}{CUT}"),
        };
        let mut number: u8 = 0;
        let mut pieces = kept.as_bytes().chunks(PIECE);
        let mut piece = pieces.next().unwrap_or_default();
        loop {
            self.rows.push(row(chain, kind, at, number, piece))?;
            let Some(next) = pieces.next() else {
                return Ok(());
            };
            piece = next;
            number = number.saturating_add(1);
        }
    }
}

fn row(chain: ChainKey, kind: Kind, at: MessagePosition, number: u8, piece: &[u8]) -> [u8; FACT] {
    let length = u8::try_from(piece.len()).unwrap_or(u8::MAX);
    let parts: [&[u8]; 7] = [
        &chain.to_be_bytes(),
        &[kind as u8],
        &(at.0 as u64).to_be_bytes(),
        &at.1.to_be_bytes(),
        &[number],
        &[length],
        piece,
    ];
    let mut row = [0; FACT];
    for (room, byte) in row.iter_mut().zip(parts.into_iter().flatten()) {
        *room = *byte;
    }
    row
}

/// Of a row its chain and kind, where it was found, and its text.
fn parts(row: &[u8; FACT]) -> (ChainKey, u8, &[u8], &[u8]) {
    let (chain, rest) = row.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    let (kind, rest) = rest.split_first().unwrap_or((&0, &[]));
    let (at, rest) = rest.split_at_checked(16).unwrap_or_default();
    let piece = match rest {
        [_, length, piece @ ..] => piece.get(..usize::from(*length)).unwrap_or_default(),
        _ => &[],
    };
    (u128::from_be_bytes(*chain), *kind, at, piece)
}

/// All that is known of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ChainFacts {
    pub(super) chain: ChainKey,
    pub(super) seen: bool,
    pub(super) id: String,
    pub(super) host: String,
    pub(super) reason: String,
}

/// The facts of all chains, in the order of their ids: those of agents begin with the time they were begun.
#[derive(Debug)]
pub(super) struct AllFacts {
    rows: Sorted<FACT>,
    ahead: Option<[u8; FACT]>,
}

impl AllFacts {
    pub(super) fn new(sorters: Vec<Sorter<FACT>>) -> Result<AllFacts> {
        let mut rows = Sorter::merged(sorters)?;
        let ahead = rows.next()?;
        Ok(AllFacts { rows, ahead })
    }

    /// The next chain.
    pub(super) fn next(&mut self) -> Result<Option<ChainFacts>> {
        let Some(first) = self.ahead else {
            return Ok(None);
        };
        let chain = parts(&first).0;
        let mut seen = false;
        let mut texts: [Vec<u8>; 4] = Default::default();
        // Of a kind the first place that it was found at, whose pieces follow one another.
        let mut places: [Option<[u8; 16]>; 4] = [None; 4];
        while let Some(row) = self.ahead {
            let (of, kind, at, piece) = parts(&row);
            if of != chain {
                break;
            }
            seen |= kind == Kind::Seen as u8;
            let at = at.first_chunk::<16>().copied();
            let kind = usize::from(kind);
            if let (Some(text), Some(place)) = (texts.get_mut(kind), places.get_mut(kind)) {
                if place.is_none() {
                    *place = at;
                }
                if *place == at {
                    text.extend_from_slice(piece);
                }
            }
            self.ahead = self.rows.next()?;
        }
        let [_, id, host, reason] = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok(Some(ChainFacts {
            chain,
            seen,
            id,
            host,
            reason,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sorters: Vec<Sorter<FACT>>) -> Vec<ChainFacts> {
        let mut facts = AllFacts::new(sorters).expect("merged");
        std::iter::from_fn(|| facts.next().expect("read")).collect()
    }

    #[test]
    fn the_first_of_a_kind_counts_and_long_texts_are_cut_and_told_as_cut() {
        let long = "ä".repeat(TEXT);
        let exact = "x".repeat(TEXT);
        let [mut one, mut two] = [Facts::new(1 << 20), Facts::new(1 << 20)];
        let (early, late) = ((1, 5), (2, 1));
        for (which, chain, kind, at, text) in [
            (1, 7, Kind::Host, late, "late"),
            (2, 7, Kind::Host, early, "early"),
            (2, 7, Kind::Host, late, "not told"),
            (1, 7, Kind::Id, late, "id"),
            (2, 7, Kind::Id, early, "id"),
            (2, 7, Kind::Reason, early, &*long),
            (1, 3, Kind::Seen, late, ""),
            (1, 3, Kind::Reason, late, &*exact),
            (1, 3, Kind::Id, late, ""),
        ] {
            let facts = if which == 1 { &mut one } else { &mut two };
            facts.note(chain, kind, at, text).expect("room");
        }
        let found = all(vec![one.rows, two.rows]);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].chain, found[0].seen), (3, true));
        assert_eq!((&*found[0].reason, &*found[0].id), (&*exact, ""));
        assert_eq!((found[1].chain, found[1].seen), (7, false));
        assert_eq!((&*found[1].host, &*found[1].id), ("early", "id"));
        let cut = &found[1].reason;
        assert!(cut.ends_with("ä…") && cut.len() <= TEXT && cut.len() > TEXT - 4);
    }

    #[test]
    fn more_chains_than_are_remembered_are_told_again_and_nothing_changes() {
        let noted = |most: usize, share: usize| {
            let mut facts = Facts::new(share);
            facts.most = most;
            for round in 0..3 {
                for chain in 0..50 {
                    let at = (round, chain);
                    let chain = u128::from(chain);
                    facts.note(chain, Kind::Seen, at, "").expect("room");
                    facts
                        .note(chain, Kind::Id, at, &format!("c{chain}"))
                        .expect("room");
                    facts
                        .note(chain, Kind::Host, at, &format!("h{round}"))
                        .expect("room");
                }
            }
            assert!(facts.told.len() <= most);
            all(vec![facts.rows])
        };
        let found = noted(TOLD, 1 << 20);
        assert_eq!(found.len(), 50);
        assert!(found.iter().all(|chain| chain.host == "h0" && chain.seen));
        assert_eq!(noted(7, 1 << 20), found);
        assert_eq!(noted(7, 1000), found);
    }
}
