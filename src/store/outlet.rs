//! Events on their way out of the spool: who still waits for what.

use super::Sink;
use super::tables::{ASIDE, Loss, QUEUE, Result, Role, Row, SAMPLES, SPOOL, damaged};
use super::work::Work;
use super::{pack, tables};
use crate::finding::Severity;
use crate::ship::parcel::{Delivery, Parcel};
use redb::{ReadTransaction, ReadableTable};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// So many refused events are kept to be looked at.
const KEPT_ASIDE: u64 = 16;

impl Sink {
    pub(super) fn code(self) -> u8 {
        match self {
            Sink::CloudwatchLogs => 1,
            Sink::File => 2,
            Sink::Stdout => 3,
        }
    }
}

impl Work<'_> {
    /// What became of events that a sink was handed.
    pub(super) fn settle(&mut self, sink: Sink, delivery: &Delivery) -> Result<()> {
        for place in &delivery.accepted {
            self.settled(sink.code(), *place)?;
        }
        for (place, reason) in &delivery.refused {
            self.refuse(sink.code(), *place, reason)?;
        }
        Ok(())
    }

    fn settled(&mut self, sink: u8, place: u64) -> Result<()> {
        if !self.tables.queue.remove((sink, place))? {
            // It was dropped meanwhile, or settled before.
            return Ok(());
        }
        self.dirty = true;
        for other in &self.state.sinks {
            if self.tables.queue.has((*other, place))? {
                return Ok(());
            }
        }
        let row = self.tables.spool.take(place, <[u8]>::to_vec)?;
        let Some(row) = row.as_deref() else {
            return Ok(());
        };
        let row = Row::read(row).ok_or_else(|| damaged("spool"))?;
        self.forget(place, &row)?;
        if row.role == Role::Gap {
            self.declared_arrived(row.sequence)?;
        }
        Ok(())
    }

    fn refuse(&mut self, sink: u8, place: u64, reason: &str) -> Result<()> {
        let row = self.tables.spool.get(place, <[u8]>::to_vec)?;
        let waits = self.tables.queue.has((sink, place))?;
        let Some(row) = row.filter(|_| waits) else {
            return Ok(());
        };
        let row = Row::read(&row).ok_or_else(|| damaged("spool"))?;
        let mut aside = format!("{reason}\n").into_bytes();
        aside.extend(self.unpack(row.sample, row.packed, "spool")?);
        self.tables.aside.insert(place, aside.as_slice())?;
        while self.tables.aside.len()? > KEPT_ASIDE {
            self.tables.aside.remove_first()?;
        }
        self.state.refused += 1;
        self.lose(&row, Loss::Refused)?;
        self.settled(sink, place)
    }

    /// Events wait for these sinks from now on.
    pub(super) fn enable(&mut self, sinks: &[Sink]) -> Result<()> {
        let mut codes: Vec<u8> = sinks.iter().map(|sink| sink.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        let former = std::mem::replace(&mut self.state.sinks, codes.clone());
        if former == codes {
            return Ok(());
        }
        self.dirty = true;
        for new in codes.iter().filter(|code| !former.contains(code)) {
            // A sink may come and go; what it left behind is no longer true.
            self.tables
                .queue
                .remove_range((*new, 0)..=(*new, u64::MAX))?;
            let mut after = 0;
            loop {
                let places = self.places(after, 1000)?;
                let Some(last) = places.last() else {
                    break;
                };
                after = last + 1;
                for place in places {
                    self.tables.queue.insert((*new, place), ())?;
                }
            }
        }
        for gone in former.iter().filter(|code| !codes.contains(code)) {
            if codes.is_empty() {
                // What nobody waits for stays until somebody does.
                self.tables
                    .queue
                    .remove_range((*gone, 0)..=(*gone, u64::MAX))?;
                continue;
            }
            loop {
                let range = (*gone, 0)..=(*gone, u64::MAX);
                let mut places: Vec<u64> = Vec::new();
                self.tables.queue.walk(range, |(_, place), ()| {
                    places.push(place);
                    Ok(more_below(places.len(), 1000))
                })?;
                if places.is_empty() {
                    break;
                }
                for place in places {
                    self.settled(*gone, place)?;
                }
            }
        }
        Ok(())
    }

    fn places(&self, from: u64, most: usize) -> Result<Vec<u64>> {
        let mut places = Vec::new();
        self.tables.spool.walk(from.., |place, _| {
            places.push(place);
            Ok(more_below(places.len(), most))
        })?;
        Ok(places)
    }
}

fn more_below(count: usize, most: usize) -> ControlFlow<()> {
    match count < most {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

/// See [`super::Keeper::parcels`]. Leaves out the places in `settled`.
pub(super) fn parcels(
    transaction: &ReadTransaction,
    sink: Sink,
    after: u64,
    most: (usize, usize),
    settled: &HashSet<(u8, u64)>,
) -> Result<Vec<Parcel>> {
    let queue = transaction.open_table(QUEUE)?;
    let spool = transaction.open_table(SPOOL)?;
    let samples = transaction.open_table(SAMPLES)?;
    let mut texts: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut parcels = Vec::new();
    let mut length = 0;
    let code = sink.code();
    let range = (code, after.saturating_add(1))..=(code, u64::MAX);
    for row in queue.range(range)? {
        let place = row?.0.value().1;
        if parcels.len() >= most.0 {
            break;
        }
        if settled.contains(&(code, place)) {
            continue;
        }
        let row = spool.get(place)?.ok_or_else(|| damaged("queue"))?;
        let row = Row::read(row.value()).ok_or_else(|| damaged("spool"))?;
        let size = usize::try_from(row.length).unwrap_or(usize::MAX);
        if !parcels.is_empty() && size.saturating_add(length) > most.1 {
            break;
        }
        length = length.saturating_add(size);
        let text = match texts.entry(row.sample) {
            Entry::Occupied(text) => text.into_mut(),
            Entry::Vacant(place) => {
                let text = samples.get(row.sample)?.map(|text| text.value().to_vec());
                place.insert(text.unwrap_or_default())
            }
        };
        let bytes = pack::unpack(text, row.packed).ok_or_else(|| damaged("spool"))?;
        parcels.push(Parcel {
            key: place,
            time: row.time,
            severity: tables::severity_of_rank(row.rank).unwrap_or(Severity::Medium),
            bytes: Arc::from(bytes),
        });
    }
    Ok(parcels)
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
