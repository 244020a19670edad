//! Events on their way out of the spool: who still waits for what.

use super::SinkKind;
use super::round_robin::{RoundRobin, Seek};
use super::tables::{ASIDE, Loss, Result, Role, Row, SAMPLES, SPOOL, WAITING, damaged};
use super::write_transaction::WriteTransaction;
use super::{order, pack, tables};
use crate::parcel::{Delivery, Parcel};
use agent_core::finding::Severity;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

/// Refused events that are kept for a person to look at.
const KEPT_ASIDE: u64 = 16;
/// Events that are taken in hand at a time where all are gone through.
const AT_ONCE: usize = 1000;

impl SinkKind {
    pub(super) fn code(self) -> u8 {
        match self {
            SinkKind::CloudwatchLogs => 1,
            SinkKind::File => 2,
            SinkKind::Stdout => 3,
            SinkKind::Journald => 4,
        }
    }
}

impl WriteTransaction<'_> {
    /// What became of events that a sink was handed.
    pub(super) fn settle(&mut self, sink: SinkKind, delivery: &Delivery) -> Result<()> {
        for place in &delivery.accepted {
            self.settled(sink.code(), *place)?;
        }
        for (place, reason) in &delivery.refused {
            self.refuse(sink.code(), *place, reason)?;
        }
        Ok(())
    }

    fn settled(&mut self, sink: u8, place: u64) -> Result<()> {
        let row = self.tables.spool.get(place, <[u8]>::to_vec)?;
        let Some(row) = row.as_deref() else {
            // It was given up meanwhile, or settled before.
            return Ok(());
        };
        let row = Row::read(row).ok_or_else(|| damaged("spool"))?;
        let key = |sink| order::waiting(sink, row.rank, row.key, place);
        if !self.tables.waiting.remove(key(sink).as_slice())? {
            return Ok(());
        }
        self.dirty = true;
        for other in &self.state.sinks {
            if self.tables.waiting.has(key(*other).as_slice())? {
                return Ok(());
            }
        }
        self.tables.spool.remove(place)?;
        self.forget(place, &row)?;
        if row.role == Role::Gap {
            self.declared_arrived(row.sequence)?;
        }
        Ok(())
    }

    fn refuse(&mut self, sink: u8, place: u64, reason: &str) -> Result<()> {
        let Some(row) = self.tables.spool.get(place, <[u8]>::to_vec)? else {
            return Ok(());
        };
        let row = Row::read(&row).ok_or_else(|| damaged("spool"))?;
        let key = order::waiting(sink, row.rank, row.key, place);
        if !self.tables.waiting.has(key.as_slice())? {
            return Ok(());
        }
        let mut aside = format!("{reason}\n").into_bytes();
        aside.extend(self.unpack(row.sample, row.packed, "spool")?);
        self.tables.aside.insert(place, aside.as_slice())?;
        while self.tables.aside.len()? > KEPT_ASIDE {
            self.tables.aside.remove_first()?;
        }
        self.state.spool.refused = self.state.spool.refused.saturating_add(1);
        let first_seen = self.lose(&row, Loss::Refused)?;
        if row.other_chain && !row.lost {
            // Its own chain can no longer tell what it told.
            self.untell(&row, first_seen)?;
        }
        let lost = Row { lost: true, ..row };
        self.tables.spool.insert(place, lost.write().as_slice())?;
        self.settled(sink, place)
    }

    /// Events wait for these sinks from now on.
    pub(super) fn enable(&mut self, sinks: &[SinkKind]) -> Result<()> {
        let mut codes: Vec<u8> = sinks.iter().map(|sink| sink.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        self.enable_codes(codes)
    }

    /// See [`WriteTransaction::enable`]; sorted, each once.
    pub(super) fn enable_codes(&mut self, codes: Vec<u8>) -> Result<()> {
        let former = std::mem::replace(&mut self.state.sinks, codes.clone());
        if former == codes {
            return Ok(());
        }
        self.dirty = true;
        for new in codes.iter().filter(|code| !former.contains(code)) {
            // A sink may come and go; what it left behind is no longer true.
            self.clear_waiting(*new)?;
            self.wait_for(*new)?;
        }
        for gone in former.iter().filter(|code| !codes.contains(code)) {
            if codes.is_empty() {
                // What nobody waits for stays until somebody does.
                self.clear_waiting(*gone)?;
                continue;
            }
            loop {
                let mut keys = Vec::new();
                let from = [*gone];
                self.tables.waiting.walk(&from[..].., |key, ()| {
                    if !key.starts_with(&from) {
                        return Ok(ControlFlow::Break(()));
                    }
                    keys.push(key.to_vec());
                    Ok(more_below(keys.len(), AT_ONCE))
                })?;
                if keys.is_empty() {
                    break;
                }
                for key in keys {
                    let place = order::place(&key).ok_or_else(|| damaged("waiting"))?;
                    self.settled(*gone, place)?;
                    // Where another sink went before it, its event went with that one.
                    self.tables.waiting.remove(key.as_slice())?;
                }
            }
        }
        Ok(())
    }

    fn clear_waiting(&mut self, sink: u8) -> Result<()> {
        let (from, to) = ([sink], order::after(vec![sink]));
        self.tables.waiting.remove_range(&from[..]..&to[..])
    }

    /// All that is in the spool waits for the sink.
    pub(super) fn wait_for(&mut self, sink: u8) -> Result<()> {
        // `None`: no place is left.
        let mut next = Some(0_u64);
        while let Some(from) = next.take() {
            let mut keys = Vec::new();
            self.tables.spool.walk(from.., |place, row| {
                let row = Row::read(row).ok_or_else(|| damaged("spool"))?;
                keys.push(order::waiting(sink, row.rank, row.key, place));
                next = place.checked_add(1);
                Ok(more_below(keys.len(), AT_ONCE))
            })?;
            for key in keys {
                self.tables.waiting.insert(key.as_slice(), ())?;
            }
        }
        Ok(())
    }
}

fn more_below(count: usize, most: usize) -> ControlFlow<()> {
    match count < most {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

impl Seek for ReadOnlyTable<&'static [u8], ()> {
    fn seek(&self, from: &[u8]) -> Result<Option<Vec<u8>>> {
        let first = self.range(from..)?.next().transpose()?;
        Ok(first.map(|(key, _)| key.value().to_vec()))
    }
}

/// Where deliveries to each sink ended in each class, so that the next one goes on there.
pub(super) type Cursors = HashMap<[u8; 2], Vec<u8>>;

/// See [`super::Store::parcels`]. Leaves out the places in `settled`.
pub(super) fn parcels(
    transaction: &ReadTransaction,
    sink: SinkKind,
    most: (usize, usize),
    settled: &HashSet<(u8, u64)>,
    cursors: &mut Cursors,
) -> Result<Vec<Parcel>> {
    let waiting = transaction.open_table(WAITING)?;
    let spool = transaction.open_table(SPOOL)?;
    let mut samples = Samples::new(transaction)?;
    let mut parcels = Vec::new();
    let mut length = 0;
    for class in 0..order::CLASSES {
        let prefix = order::waiting_in(sink.code(), class);
        let cursor = cursors.entry(prefix).or_default();
        let mut turns = RoundRobin::new(prefix.to_vec(), cursor);
        while parcels.len() < most.0 {
            let Some(key) = turns.take(&waiting)? else {
                break;
            };
            let place = order::place(&key).ok_or_else(|| damaged("waiting"))?;
            if settled.contains(&(sink.code(), place)) {
                continue;
            }
            let row = spool.get(place)?.ok_or_else(|| damaged("waiting"))?;
            let row = Row::read(row.value()).ok_or_else(|| damaged("spool"))?;
            let size = usize::try_from(row.length).unwrap_or(usize::MAX);
            if !parcels.is_empty() && size.saturating_add(length) > most.1 {
                return Ok(parcels);
            }
            length = length.saturating_add(size);
            parcels.push(Parcel {
                key: place,
                time: row.time,
                severity: tables::severity_of_rank(row.rank).unwrap_or(Severity::Medium),
                bytes: samples.unpack(&row)?.into(),
            });
            *cursor = key;
        }
    }
    Ok(parcels)
}

/// What events are unpacked with.
struct Samples {
    table: ReadOnlyTable<u32, &'static [u8]>,
    texts: HashMap<u32, Vec<u8>>,
}

impl Samples {
    fn new(transaction: &ReadTransaction) -> Result<Samples> {
        Ok(Samples {
            table: transaction.open_table(SAMPLES)?,
            texts: HashMap::new(),
        })
    }

    fn unpack(&mut self, row: &Row<'_>) -> Result<Vec<u8>> {
        let text = match self.texts.entry(row.sample) {
            Entry::Occupied(text) => text.into_mut(),
            Entry::Vacant(place) => {
                let text = self.table.get(row.sample)?;
                place.insert(text.map(|text| text.value().to_vec()).unwrap_or_default())
            }
        };
        pack::unpack(text, row.packed).ok_or_else(|| damaged("spool"))
    }
}

/// When the oldest event in the spool came about.
pub(super) fn oldest(transaction: &ReadTransaction) -> Result<Option<i64>> {
    let spool = transaction.open_table(SPOOL)?;
    let first = spool.first()?;
    Ok(first.and_then(|(_, row)| Row::read(row.value()).map(|row| row.time)))
}

/// Events that sinks refused, each with the reason before it: for a person to look at.
pub(super) fn aside(transaction: &ReadTransaction) -> Result<Vec<String>> {
    let aside = transaction.open_table(ASIDE)?;
    let mut all = Vec::new();
    for row in aside.iter()? {
        all.push(String::from_utf8_lossy(row?.1.value()).into_owned());
    }
    Ok(all)
}
