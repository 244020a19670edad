//! What the store holds, read as plain sets, and whether it agrees with itself.

use crate::event::chain::Head;
use crate::ledger::OpenFinding;
use crate::store::engine::Store;
use crate::store::state::StoreState;
use crate::store::tables::{
    DEFERRED, ENDS, ENTRY, EVICTION, GAPS, Gap, LEDGER, Result, Row, SPOOL, WAITING, entry_from_row,
};
use crate::store::{order, pack};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use std::collections::{BTreeMap, BTreeSet};

/// An event in the spool.
#[derive(Clone, Debug)]
pub(super) struct Spooled {
    pub(super) rank: u8,
    pub(super) length: u64,
    /// Empty of one that was read before.
    pub(super) bytes: Vec<u8>,
    pub(super) sinks: BTreeSet<u8>,
}

/// All of a store.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) state: StoreState,
    pub(super) head: Head,
    pub(super) ledger: BTreeMap<Vec<u8>, OpenFinding>,
    /// By sequence.
    pub(super) spool: BTreeMap<u64, Spooled>,
    /// Events of chains that were kept in memory, by place.
    pub(super) others: BTreeMap<u64, Spooled>,
    pub(super) gaps: Vec<Gap>,
}

/// The whole ledger, by its keys.
pub(super) fn ledger(transaction: &ReadTransaction) -> Result<BTreeMap<Vec<u8>, OpenFinding>> {
    let mut all = BTreeMap::new();
    for row in transaction.open_table(LEDGER)?.iter()? {
        let (key, row) = row?;
        let entry = entry_from_row(row.value()).expect("an entry");
        all.insert(key.value().to_vec(), entry);
    }
    Ok(all)
}

#[expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "one table after the other, each in its own few lines"
)]
/// Reads all of it, of events up to `known` not the bytes. `None`: the disk does not answer.
pub(super) fn read(store: &Store, known: u64) -> Option<Contents> {
    let state = store.committed.state.clone();
    let backing = store.backing.as_ref()?;
    let read = || -> Result<Contents> {
        let transaction = backing.database.begin_read()?;
        let head = state.chain().expect("a chain").head;
        let mut contents = Contents {
            head,
            ledger: BTreeMap::new(),
            spool: BTreeMap::new(),
            others: BTreeMap::new(),
            gaps: Vec::new(),
            state,
        };
        contents.ledger = ledger(&transaction)?;
        let mut waiting = BTreeMap::new();
        for row in transaction.open_table(WAITING)?.iter()? {
            let key = row?.0.value().to_vec();
            let place = order::place(&key).expect("a place");
            waiting.insert((key[0], place), key);
        }
        let mut eviction = BTreeSet::new();
        for row in transaction.open_table(EVICTION)?.iter()? {
            eviction.insert(row?.0.value().to_vec());
        }
        for row in transaction.open_table(SPOOL)?.iter()? {
            let (place, row) = row?;
            let (place, row) = (place.value(), Row::read(row.value()).expect("a row"));
            let own = place == contents.state.chain.base + row.sequence;
            assert_ne!(own, row.other_chain, "a wrong place");
            assert_eq!(row.sample, contents.state.sample, "one sample is used");
            let mut bytes = Vec::new();
            if row.sequence > known {
                bytes = pack::unpack(backing.sample.text(), row.packed).expect("packed");
                assert_eq!(bytes.len() as u64, row.length);
            }
            let key = order::eviction(row.rank, row.key, place);
            assert!(eviction.remove(&key), "{} cannot be given up", row.sequence);
            let mut sinks = BTreeSet::new();
            for sink in 1..=3 {
                if let Some(key) = waiting.remove(&(sink, place)) {
                    assert_eq!(key, order::waiting(sink, row.rank, row.key, place));
                    sinks.insert(sink);
                }
            }
            let event = Spooled {
                rank: row.rank,
                length: row.length,
                bytes,
                sinks,
            };
            match own {
                true => contents.spool.insert(row.sequence, event),
                false => contents.others.insert(place, event),
            };
        }
        assert!(waiting.is_empty(), "what is not there waits: {waiting:?}");
        assert!(
            eviction.is_empty(),
            "what is not there can go: {eviction:?}"
        );
        for row in transaction.open_table(GAPS)?.iter()? {
            let (first, row) = row?;
            let gap = Gap::read(first.value(), row.value()).expect("a gap");
            contents.gaps.push(gap);
        }
        let ends = transaction.open_table(ENDS)?;
        assert_eq!(ends.len()?, contents.state.ledger.ends, "ends");
        let mut bytes = 0;
        for row in ends.iter()? {
            let (key, row) = row?;
            let ended = entry_from_row(row.value()).expect("an entry");
            let known = contents
                .ledger
                .get(order::ledger_key(key.value()).expect("a key"));
            assert!(
                known.is_none_or(|known| known.first_seen != ended.first_seen),
                "{ended:?}"
            );
            bytes += (key.value().len() + ENTRY) as u64;
        }
        assert_eq!(bytes, contents.state.ledger.ends_bytes, "bytes of ends");
        let deferred = transaction.open_table(DEFERRED)?;
        assert_eq!(deferred.len()?, contents.state.waiting.deferred, "deferred");
        for row in deferred.iter()? {
            let key = row?.0.value().to_vec();
            let entry = contents.ledger.get(&key).expect("what is deferred stands");
            assert!(!(entry.gone || entry.raised && entry.current), "{entry:?}");
        }
        Ok(contents)
    };
    let contents = read().ok()?;
    contents.agree();
    Some(contents)
}

impl Contents {
    /// The counters are what they count.
    fn agree(&self) {
        let Contents { state, .. } = self;
        let all = || self.spool.values().chain(self.others.values());
        let payload: u64 = all().map(|event| event.length).sum();
        assert_eq!(state.spool.events, all().count() as u64, "events");
        assert_eq!(state.spool.payload, payload, "payload");
        assert_eq!(state.ledger.open, self.ledger.len() as u64, "open");
        let bytes: usize = self.ledger.keys().map(|key| key.len() + ENTRY).sum();
        assert_eq!(
            state.ledger.ledger_bytes, bytes as u64,
            "bytes of the ledger"
        );
        let untold = self
            .ledger
            .values()
            .filter(|entry| entry.is_untold())
            .count();
        assert_eq!(state.ledger.untold, untold as u64, "untold");
        let undeclared = self.gaps.iter().filter(|gap| gap.declared == 0).count();
        assert_eq!(state.gaps.undeclared, undeclared as u64, "undeclared");
        let mut end = 0;
        for gap in &self.gaps {
            assert!(gap.range.first > end, "gaps overlap: {:?}", self.gaps);
            assert!(gap.range.first <= gap.range.last, "{gap:?}");
            end = gap.range.last;
            let count: u64 = gap.counts.iter().sum();
            assert_eq!(count, gap.range.last - gap.range.first + 1, "{gap:?}");
        }
    }
}
