//! One transaction under way: what stands in the tables, the chain and the counters move together.

use super::announce::Fresh;
use super::eviction::Fullest;
use super::flood::Floods;
use super::order;
use super::pack::{self, Sample};
use super::state::StoreState;
use super::stories::Stories;
use super::superseded::Below;
use super::tables::{
    Result, Role, Row, STATE, Tables, damaged, entry_from_row, entry_to_row, size_of_entry,
};
use crate::event::chain::Chain;
use crate::event::{Draft, EventSource};
use crate::ledger::{Capacity, OpenFinding};
use agent_core::escape;
use sha2::{Digest, Sha256};

/// How large the store may become, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Of events as shipped (`spool.max_size`).
    pub(super) payload: u64,
    /// Of the file.
    pub(super) file: u64,
    /// Of what the ledger holds.
    pub(super) ledger: u64,
    /// Written by one transaction, about.
    pub(super) group: u64,
}

impl Limits {
    pub(super) fn new(max_size: u64) -> Limits {
        Limits {
            payload: max_size,
            file: max_size.saturating_add(max_size / 2),
            // In pages that are not full it is twice that.
            ledger: max_size / 4,
            group: (max_size / 32).clamp(32 << 10, 1 << 20),
        }
    }

    /// So much is dropped at once, so that it is declared by few events.
    pub(super) fn step(&self) -> u64 {
        match self.payload < 16 << 20 {
            true => self.payload / 10,
            false => self.payload / 32,
        }
    }
}

pub(super) struct WriteTransaction<'t> {
    pub(super) tables: Tables<'t>,
    pub(super) state: StoreState,
    pub(super) chain: Chain,
    pub(super) floods: Floods,
    pub(super) stories: Stories,
    /// Where the ledger gives up first, as far as that is known.
    pub(super) fullest: Option<Fullest>,
    /// The store that this one stands in for.
    pub(super) below: Option<Below<'t>>,
    pub(super) source: &'t EventSource,
    pub(super) sample: &'t Sample,
    pub(super) limits: Limits,
    /// Whether anything was written.
    pub(super) dirty: bool,
    /// Bytes written, about.
    pub(super) written: u64,
    /// Steps to be told at the end of the transaction.
    pub(super) fresh: Vec<Fresh>,
    /// Ledger keys of what was told by package and is gone.
    pub(super) resolved: Vec<Vec<u8>>,
}

/// What of a transaction outlives it: what the store on disk is known to say, once it is committed.
#[derive(Debug, Default)]
pub(super) struct Committed {
    pub(super) state: StoreState,
    pub(super) floods: Floods,
    pub(super) stories: Stories,
    /// Where the ledger gives up first, as far as that is known.
    pub(super) fullest: Option<Fullest>,
}

impl WriteTransaction<'_> {
    /// Writes the state. The transaction may be committed now.
    pub(super) fn finish(mut self) -> Result<Committed> {
        self.state.set_chain(&self.chain);
        self.state.flood = self.floods.kept();
        let row = self.state.to_row();
        self.tables.meta.insert(STATE, row.as_slice())?;
        Ok(Committed {
            state: self.state,
            floods: self.floods,
            stories: self.stories,
            fullest: self.fullest,
        })
    }

    /// Whether what can wait may be told.
    pub(super) fn capacity(&self) -> Capacity {
        match self.state.spool.payload {
            payload if payload < self.payload_limit() / 2 => Capacity::Ample,
            payload if payload <= self.payload_limit().saturating_add(self.limits.step()) => {
                Capacity::Scarce
            }
            // Only what is critical is left, and is not given up for what is new.
            _ => Capacity::None,
        }
    }

    pub(super) fn payload_limit(&self) -> u64 {
        match self.state.spool.payload_limit {
            0 => self.limits.payload,
            limit => limit.min(self.limits.payload),
        }
    }

    /// `finding_info.uid` of a deviation.
    pub(super) fn uid(&self, key: &[u8], first_seen: i64) -> String {
        uid(&self.state.chain.salt, key, first_seen)
    }

    /// Gives an event its place in the chain and in the spool.
    pub(super) fn append(
        &mut self,
        draft: Draft,
        rank: u8,
        role: Role,
        key: &[u8],
        entry: Option<OpenFinding>,
        now: i64,
    ) -> Result<()> {
        let time = draft.time;
        let bytes = self.chain.seal(draft, now);
        let sequence = self.chain.head.sequence;
        let place = self.state.chain.base.checked_add(sequence);
        let place = place.ok_or_else(|| damaged("meta"))?;
        let packed = self.sample.pack(&bytes);
        let length = bytes.len() as u64;
        let row = Row {
            rank,
            role,
            time,
            sequence,
            length,
            key,
            entry,
            other_chain: false,
            lost: false,
            sample: self.state.sample,
            packed: &packed,
        };
        let sinks = self.state.sinks.clone();
        self.insert(place, &row, &sinks)?;
        // What declares a loss makes room for itself only when the next event comes.
        if role != Role::Gap {
            self.make_room(now)?;
        }
        Ok(())
    }

    /// Puts an event into the spool, to wait for these sinks.
    pub(super) fn insert(&mut self, place: u64, row: &Row<'_>, sinks: &[u8]) -> Result<()> {
        let bytes = row.write();
        self.tables.spool.insert(place, bytes.as_slice())?;
        let eviction = order::eviction(row.rank, row.key, place);
        self.tables.eviction.insert(eviction.as_slice(), ())?;
        for sink in sinks {
            let waiting = order::waiting(*sink, row.rank, row.key, place);
            self.tables.waiting.insert(waiting.as_slice(), ())?;
        }
        self.state.spool.events = self.state.spool.events.saturating_add(1);
        self.state.spool.payload = self.state.spool.payload.saturating_add(row.length);
        self.written = self.written.saturating_add(bytes.len() as u64);
        self.dirty = true;
        Ok(())
    }

    /// The bytes of an event or a stored finding.
    pub(super) fn unpack(&self, sample: u32, packed: &[u8], what: &str) -> Result<Vec<u8>> {
        let bytes = if sample == self.state.sample {
            pack::unpack(self.sample.text(), packed)
        } else {
            let unpacked = |text: &[u8]| pack::unpack(text, packed);
            self.tables.samples.get(sample, unpacked)?.flatten()
        };
        bytes.ok_or_else(|| damaged(what))
    }

    pub(super) fn entry(&self, key: &[u8]) -> Result<Option<OpenFinding>> {
        match self.tables.ledger.get(key, entry_from_row)? {
            Some(entry) => entry.map(Some).ok_or_else(|| damaged("ledger")),
            None => self
                .below
                .as_ref()
                .map_or(Ok(None), |below| below.entry(key)),
        }
    }

    /// Puts `new` in the place of `old`.
    pub(super) fn set_entry(
        &mut self,
        key: &[u8],
        old: Option<&OpenFinding>,
        new: Option<&OpenFinding>,
    ) -> Result<()> {
        let untold = |entry: &OpenFinding| u64::from(entry.is_untold());
        let size = size_of_entry(key);
        let state = &mut self.state;
        // What the store on disk has is not counted here.
        let counted = match &mut self.below {
            None => true,
            Some(below) => {
                let here = self.tables.ledger.has(key)?;
                if let Some(old) = old.filter(|_| !here) {
                    let bytes = below.supersede(key, old.first_seen)?;
                    state.ledger.ledger_bytes = state.ledger.ledger_bytes.saturating_add(bytes);
                }
                here
            }
        };
        if let Some(old) = old.filter(|_| counted) {
            state.ledger.untold = state.ledger.untold.saturating_sub(untold(old));
            state.ledger.open = state.ledger.open.saturating_sub(1);
            state.ledger.ledger_bytes = state.ledger.ledger_bytes.saturating_sub(size);
        }
        match new {
            Some(new) => {
                state.ledger.untold = state.ledger.untold.saturating_add(untold(new));
                state.ledger.open = state.ledger.open.saturating_add(1);
                state.ledger.ledger_bytes = state.ledger.ledger_bytes.saturating_add(size);
                let row = entry_to_row(new);
                self.tables.ledger.insert(key, row.as_slice())?;
                self.written = self.written.saturating_add(size);
            }
            None => {
                self.tables.ledger.remove(key)?;
            }
        }
        self.dirty = true;
        Ok(())
    }
}

/// `finding_info.uid` of a deviation: the same from its first event to its last.
pub fn uid(salt: &str, key: &[u8], first_seen: i64) -> String {
    let mut digest = Sha256::new();
    digest.update(salt);
    digest.update(key);
    digest.update(first_seen.to_le_bytes());
    escape::hex(&digest.finalize()[..16])
}
