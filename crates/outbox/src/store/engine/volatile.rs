//! While the disk cannot be written: a store in memory with a chain of its own, so that what is found is told all the same,
//! and carried over to the disk when that is back.
//!
//! The chain is another one since the disk does not know how far this one goes: were the agent killed now, the next run
//! would give the same places in the chain to other events.

use super::super::open::{self, Refusal};
use super::super::order;
use super::super::state::StoreState;
use super::super::superseded::times;
use super::super::tables::{
    ENDS, LEDGER, Result as Redb, Role, Row, SPOOL, SUPERSEDED, Tables, WAITING,
};
use super::super::tables::{damaged, entry_from_row};
use super::super::write_transaction::{Limits, WriteTransaction};
use super::super::{SinkKind, pack};
use super::{Backing, Store};
use crate::event::chain::Chain;
use crate::ledger::OpenFinding;
use crate::parcel::Delivery;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Bytes of events, as shipped, that memory holds at most. Packed they take a tenth of it.
const PAYLOAD: u64 = 16 << 20;
/// Places left free behind the last one known on disk: of the transaction that failed all may be there. More than one
/// transaction holds.
const APART: u64 = 1 << 20;
/// Deliveries that are kept for the store on disk, as events: beyond that they may be delivered once more.
const OWED: usize = 16_384;

/// What the store in memory stands in for.
#[derive(Debug)]
pub(in crate::store) struct Volatile {
    /// The state of the store on disk, as last committed; `None` if it was never opened.
    disk: Option<StoreState>,
    /// The store on disk, where it can still be read.
    pub(super) below: Option<Backing>,
    /// Memory's events have places behind this one; those on disk, when memory began, are before it.
    base: u64,
    /// What sinks settled of it meanwhile.
    owed: Vec<(SinkKind, Delivery)>,
    owed_events: usize,
}

impl Volatile {
    /// A delivery of events that may be the disk's.
    pub(super) fn owe(&mut self, sink: SinkKind, delivery: &Delivery) {
        let events = delivery
            .accepted
            .len()
            .saturating_add(delivery.refused.len());
        let owed_events = self.owed_events.saturating_add(events);
        if owed_events <= OWED {
            self.owed_events = owed_events;
            self.owed.push((sink, delivery.clone()));
        }
    }

    /// What the ledger on disk says; nothing where it cannot be read: then what stands there is begun anew, and the former
    /// ends when memory is carried over.
    pub(in crate::store) fn entry(&self, key: &[u8]) -> Option<OpenFinding> {
        self.read(key).unwrap_or_default()
    }

    fn read(&self, key: &[u8]) -> Redb<Option<OpenFinding>> {
        let Some(below) = &self.below else {
            return Ok(None);
        };
        let transaction = below.database.begin_read()?;
        let ledger = transaction.open_table(LEDGER)?;
        let row = ledger.get(key)?;
        Ok(row.and_then(|row| entry_from_row(row.value())))
    }

    /// Whether the event with that place may wait on disk, where it cannot be settled yet.
    pub(super) fn may_wait_on_disk(&self, place: u64) -> bool {
        place <= self.base
    }

    /// Events that wait on disk.
    pub(super) fn events(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.spool.events)
    }

    /// Deviations that stand on disk.
    pub(super) fn open(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.ledger.open)
    }
}

/// An undelivered event of the store in memory.
struct Moved {
    place: u64,
    row: Vec<u8>,
    sinks: Vec<u8>,
    bytes: Vec<u8>,
}

impl Store {
    /// Goes on in memory. A failure leaves the engine without a store: what comes in waits in its queue.
    pub(super) fn go_volatile(&mut self, reason: &str, now: i64) {
        if !self.medium.may_be_stood_in_for() {
            return;
        }
        let known = self.committed.state.chain().is_some();
        let after = open::head(&self.committed.state);
        let reason = format!("the store on disk cannot be written: {reason}");
        let chain = Chain::begin(reason, after, now);
        let base = match known {
            true => self.committed.state.last_place().saturating_add(APART),
            false => self.next.base,
        };
        let sinks = match known {
            true => &self.committed.state.sinks,
            false => &self.next.sinks,
        };
        let backend = InMemoryBackend::new();
        let Ok(database) = open::builder(false).create_with_backend(backend) else {
            return;
        };
        let host = &self.source.host;
        let Ok(mut state) = open::begin(&database, &chain, base, host, sinks) else {
            return;
        };
        if known {
            state
                .chain
                .salt
                .clone_from(&self.committed.state.chain.salt);
        }
        state.scan_id = self.committed.state.scan_id;
        let disk = std::mem::replace(&mut self.committed.state, state);
        // What scans under way found is in another ledger than what they will find.
        self.scans.spoil_all();
        self.committed.fullest = None;
        let below = known.then(|| self.readable()).flatten();
        self.volatile = Some(Volatile {
            disk: known.then_some(disk),
            below,
            base,
            owed: Vec::new(),
            owed_events: 0,
        });
        if let Err(refusal) = self.adopt(database) {
            self.down_because(refusal.words(), now);
        }
    }

    /// The store on disk, to be read alone: a full disk takes no more, and may be read all the same.
    fn readable(&self) -> Option<Backing> {
        // Never one that is made here.
        self.medium.identity()?;
        let database = open::database(&*self.medium, false).ok()?;
        let state = open::state(&database).ok()??;
        let transaction = database.begin_read().ok()?;
        transaction.open_table(LEDGER).ok()?;
        transaction.open_table(WAITING).ok()?;
        drop(transaction);
        let sample = pack::Sample::new(Vec::new());
        (state.version == super::super::state::VERSION).then_some(Backing { database, sample })
    }

    /// The store on disk could not be taken up again: it is read as before. What seemed to fail may have arrived there all
    /// the same, so memory speaks for its own entries, and takes places that none of it has.
    pub(super) fn read_below_again(&mut self, now: i64) {
        self.committed.state.chain.base = self.committed.state.chain.base.saturating_add(APART);
        self.transact(now, |tx, _, _| tx.supersede_own());
        let known = self
            .volatile
            .as_ref()
            .is_some_and(|volatile| volatile.disk.is_some());
        let below = known.then(|| self.readable()).flatten();
        if let Some(volatile) = &mut self.volatile {
            volatile.below = below;
        }
    }

    pub(super) fn limits_now(&self) -> Limits {
        match self.volatile {
            None => self.limits,
            Some(_) => {
                let memory = Limits::new(PAYLOAD.min(self.limits.payload));
                Limits {
                    file: u64::MAX,
                    ledger: memory.ledger.min(self.limits.ledger),
                    ..memory
                }
            }
        }
    }

    /// Takes over to the store on disk, which was opened, what memory holds.
    pub(super) fn carry_over(
        &mut self,
        database: Database,
        mut state: StoreState,
        now: i64,
        tell: impl FnOnce(&mut WriteTransaction<'_>) -> Redb<()>,
    ) -> Result<(), Refusal> {
        let (Some(volatile), Some(backing)) = (&mut self.volatile, &self.backing) else {
            return Err(Refusal::Damaged("there is nothing to carry over".into()));
        };
        // Places of the two chains must not meet.
        let last = self.committed.state.last_place();
        state.chain.base = state.chain.base.max(last);
        let sample = open::sample(&database, &mut state, &self.source)?;
        let chain = state.chain();
        let chain = chain.ok_or_else(|| Refusal::Damaged("it has no chain".into()))?;
        let moved = moved(backing, &self.committed.state).map_err(open::from_redb)?;
        let entries = entries(backing).map_err(open::from_redb)?;
        let ends = ends(backing).map_err(open::from_redb)?;
        let superseded = superseded(backing).map_err(open::from_redb)?;
        let write = || -> Redb<StoreState> {
            let transaction = database.begin_write()?;
            let after = {
                let mut tx = WriteTransaction {
                    tables: Tables::open(&transaction)?,
                    state,
                    chain,
                    floods: self.committed.floods.clone(),
                    stories: self.committed.stories.clone(),
                    fullest: None,
                    below: None,
                    source: &self.source,
                    sample: &sample,
                    limits: self.limits,
                    dirty: true,
                    written: 0,
                    fresh: Vec::new(),
                    resolved: Vec::new(),
                };
                for (sink, delivery) in &volatile.owed {
                    tx.settle(*sink, delivery)?;
                }
                for moved in &moved {
                    tx.take_over(moved)?;
                }
                for key in superseded.keys().filter(|key| !entries.contains_key(*key)) {
                    tx.take_over_entry(key, None, &superseded[key])?;
                }
                for (key, entry) in &entries {
                    let known = superseded.get(key).map_or(&[][..], Vec::as_slice);
                    tx.take_over_entry(key, Some(entry), known)?;
                }
                for (key, end) in &ends {
                    tx.owe_end(key, end)?;
                }
                let (spool, other) = (&mut tx.state.spool, &self.committed.state.spool);
                spool.dropped = spool.dropped.saturating_add(other.dropped);
                spool.refused = spool.refused.saturating_add(other.refused);
                tx.enable_codes(self.committed.state.sinks.clone())?;
                tell(&mut tx)?;
                tx.make_room(now)?;
                tx.finish()?
            };
            transaction.commit()?;
            Ok(after.state)
        };
        self.committed.state = write().map_err(open::from_redb)?;
        self.volatile = None;
        self.delivering.settled.clear();
        self.committed.fullest = None;
        self.scans.spoil_all();
        self.backing = Some(Backing { database, sample });
        Ok(())
    }
}

fn moved(backing: &Backing, state: &StoreState) -> Redb<Vec<Moved>> {
    let transaction = backing.database.begin_read()?;
    let waiting = transaction.open_table(WAITING)?;
    let mut all = Vec::new();
    for row in transaction.open_table(SPOOL)?.range(0..)? {
        let (place, row) = row?;
        let place = place.value();
        let bytes = row.value();
        let row = Row::read(bytes).ok_or_else(|| damaged("spool"))?;
        let mut sinks = Vec::new();
        for sink in &state.sinks {
            let key = order::waiting(*sink, row.rank, row.key, place);
            if waiting.get(key.as_slice())?.is_some() {
                sinks.push(*sink);
            }
        }
        let text = pack::unpack(backing.sample.text(), row.packed);
        all.push(Moved {
            place,
            row: bytes.to_vec(),
            sinks,
            bytes: text.ok_or_else(|| damaged("spool"))?,
        });
    }
    Ok(all)
}

/// The ledger of the store in memory. What waited for evidence has waited long enough: it is told when it is found again.
fn entries(backing: &Backing) -> Redb<BTreeMap<Vec<u8>, OpenFinding>> {
    let transaction = backing.database.begin_read()?;
    let mut all = BTreeMap::new();
    for row in transaction.open_table(LEDGER)?.iter()? {
        let (key, row) = row?;
        let entry = entry_from_row(row.value()).ok_or_else(|| damaged("ledger"))?;
        all.insert(key.value().to_vec(), entry);
    }
    Ok(all)
}

/// Which entries on disk memory speaks for, by their times first seen.
fn superseded(backing: &Backing) -> Redb<BTreeMap<Vec<u8>, Vec<i64>>> {
    let transaction = backing.database.begin_read()?;
    let mut all = BTreeMap::new();
    let table = match transaction.open_table(SUPERSEDED) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(all),
        table => table?,
    };
    for row in table.iter()? {
        let (key, row) = row?;
        let times = times(row.value()).ok_or_else(|| damaged("superseded"))?;
        all.insert(key.value().to_vec(), times);
    }
    Ok(all)
}

/// Ends that are yet to be told, with the keys of the ledger.
fn ends(backing: &Backing) -> Redb<Vec<(Vec<u8>, OpenFinding)>> {
    let transaction = backing.database.begin_read()?;
    let mut all = Vec::new();
    for row in transaction.open_table(ENDS)?.iter()? {
        let (key, row) = row?;
        let entry = entry_from_row(row.value()).ok_or_else(|| damaged("ends"))?;
        let key = order::ledger_key(key.value()).ok_or_else(|| damaged("ends"))?;
        all.push((key.to_vec(), entry));
    }
    Ok(all)
}

impl WriteTransaction<'_> {
    /// Speaks from now on for all that the ledger holds, should the disk have it too.
    fn supersede_own(&mut self) -> Redb<()> {
        let Some(below) = &mut self.below else {
            return Ok(());
        };
        let mut own = Vec::new();
        self.tables.ledger.walk(&b""[..].., |key, row| {
            let entry = entry_from_row(row).ok_or_else(|| damaged("ledger"))?;
            own.push((key.to_vec(), entry.first_seen));
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, first_seen) in own {
            let ledger = &mut self.state.ledger;
            let bytes = below.supersede(&key, first_seen)?;
            ledger.ledger_bytes = ledger.ledger_bytes.saturating_add(bytes);
        }
        self.dirty = true;
        Ok(())
    }

    /// Puts what memory knew of a deviation in the place of what the disk did. `known`: times first seen of entries on
    /// disk that memory speaks for.
    fn take_over_entry(
        &mut self,
        key: &[u8],
        new: Option<&OpenFinding>,
        known: &[i64],
    ) -> Redb<()> {
        let old = self.entry(key)?;
        self.undefer(key)?;
        // It had another uid, of which memory told nothing, and the log side was told of that one.
        let unknown = |old: &OpenFinding| {
            let goes_on = new.is_some_and(|new| new.first_seen == old.first_seen);
            old.raised && !goes_on && !known.contains(&old.first_seen)
        };
        if let Some(old) = old.filter(unknown) {
            self.owe_end(key, &old)?;
        }
        self.set_entry(key, old.as_ref(), new)
    }

    /// Takes an event of another chain into the spool, to be delivered as it is.
    fn take_over(&mut self, moved: &Moved) -> Redb<()> {
        let row = Row::read(&moved.row).ok_or_else(|| damaged("spool"))?;
        let packed = self.sample.pack(&moved.bytes);
        let row = Row {
            other_chain: true,
            role: match row.role {
                // It declares what its own chain lost.
                Role::Gap => Role::Own,
                role => role,
            },
            sample: self.state.sample,
            packed: &packed,
            ..row
        };
        if self.tables.spool.has(moved.place)? {
            // It was carried over before, by a transaction that seemed to have failed.
            return Ok(());
        }
        self.insert(moved.place, &row, &moved.sinks)
    }

    /// An event of another chain will not arrive. Its own chain can no longer say so: this one does.
    pub(in crate::store) fn lose_of_other_chain(&mut self) {
        let spool = &mut self.state.spool;
        spool.lost_of_other_chain = spool.lost_of_other_chain.saturating_add(1);
        self.dirty = true;
    }
}
