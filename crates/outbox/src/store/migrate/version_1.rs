//! Version 1 kept what waits for a sink by place alone (`queue`), what goes first by age (`rank`), and what was found in a
//! flood until its end (`held`).

use super::super::codec::{self, RowReader};
use super::super::order;
use super::super::rows::Rows;
use super::super::state::StoreState;
use super::super::tables::{
    DEFERRED, Deferred, ENTRY, EVICTION, LEDGER, Result, Row, SPOOL, WAITING, damaged,
    entry_from_row, entry_to_row, size_of_entry,
};
use super::more;
use crate::event::finding::Step;
use crate::ledger::{self, OpenFinding};
use redb::{TableDefinition, WriteTransaction};
use std::collections::HashSet;
use std::ops::ControlFlow;

const QUEUE_1: TableDefinition<'_, (u8, u64), ()> = TableDefinition::new("queue");
const RANK_1: TableDefinition<'_, (u8, u64), ()> = TableDefinition::new("rank");
const HELD_1: TableDefinition<'_, (u8, u64), &[u8]> = TableDefinition::new("held");

/// Makes the store one of version 2.
pub(super) fn carry_over(transaction: &WriteTransaction, state: &mut StoreState) -> Result<()> {
    events(transaction)?;
    held(transaction, state)?;
    transaction.delete_table(QUEUE_1)?;
    transaction.delete_table(RANK_1)?;
    transaction.delete_table(HELD_1)?;
    Ok(())
}

/// What is in the spool waits for whom it waited for.
fn events(transaction: &WriteTransaction) -> Result<()> {
    let spool = Rows::new(transaction.open_table(SPOOL)?);
    let queue = Rows::new(transaction.open_table(QUEUE_1)?);
    let mut waiting = Rows::new(transaction.open_table(WAITING)?);
    let mut eviction = Rows::new(transaction.open_table(EVICTION)?);
    // `None`: no place is left.
    let mut next = Some(0_u64);
    while let Some(from) = next.take() {
        let mut rows = Vec::new();
        spool.walk(from.., |place, row| {
            let row = Row::read(row).ok_or_else(|| damaged("spool"))?;
            rows.push((place, row.rank, row.key.to_vec()));
            next = place.checked_add(1);
            Ok(more(rows.len()))
        })?;
        for (place, rank, key) in rows {
            eviction.insert(order::eviction(rank, &key, place).as_slice(), ())?;
        }
    }
    let mut after = None;
    loop {
        let mut keys: Vec<(u8, u64)> = Vec::new();
        queue.walk(after.unwrap_or((0, 0)).., |key, ()| {
            if Some(key) != after {
                keys.push(key);
            }
            Ok(more(keys.len()))
        })?;
        let Some(last) = keys.last() else {
            return Ok(());
        };
        after = Some(*last);
        for (sink, place) in keys {
            let key = spool.get(place, |row| {
                let row = Row::read(row)?;
                Some(order::waiting(sink, row.rank, row.key, place))
            })?;
            let key = key.flatten().ok_or_else(|| damaged("queue"))?;
            waiting.insert(key.as_slice(), ())?;
        }
    }
}

/// What was held until the end of a flood is told at once.
fn held(transaction: &WriteTransaction, state: &mut StoreState) -> Result<()> {
    let table = Rows::new(transaction.open_table(HELD_1)?);
    let mut ledger = Rows::new(transaction.open_table(LEDGER)?);
    let mut deferred = Rows::new(transaction.open_table(DEFERRED)?);
    let mut numbers: Vec<(u64, u8)> = Vec::new();
    table.walk((0, 0).., |(importance, number), _| {
        numbers.push((number, importance));
        Ok(ControlFlow::Continue(()))
    })?;
    // As they came: what was raised may have been cleared since.
    numbers.sort_unstable();
    let mut untold: HashSet<Vec<u8>> = HashSet::new();
    for (number, importance) in numbers {
        let row = table.get((importance, number), <[u8]>::to_vec)?;
        let row = row.unwrap_or_default();
        let held = DeferredV1::read(&row).ok_or_else(|| damaged("held"))?;
        let old = match ledger.get(held.key, entry_from_row)? {
            None => None,
            Some(entry) => Some(entry.ok_or_else(|| damaged("ledger"))?),
        };
        let waits = deferred.remove(held.key)?;
        state.waiting.deferred = state
            .waiting
            .deferred
            .saturating_sub(u64::from(waits && state.waiting.deferred > 0));
        if held.step == Step::Raised {
            untold.insert(held.key.to_vec());
        }
        let new = match (held.step, old, held.entry) {
            (Step::Cleared, None, Some(before)) if !untold.contains(held.key) => {
                Some(ledger::dropped(&before, held.step))
            }
            (Step::Cleared, ..) | (_, None, _) => None,
            (step, Some(entry), _) => {
                let row = Deferred {
                    until: 0,
                    first_seen: held.first_seen,
                    last_seen: held.last_seen,
                    sample: held.sample,
                    packed: held.packed,
                };
                deferred.insert(held.key, row.write().as_slice())?;
                state.waiting.deferred = state.waiting.deferred.saturating_add(1);
                Some(ledger::dropped(&entry, step))
            }
        };
        if let Some(new) = new {
            count(state, held.key, old.as_ref(), &new);
            ledger.insert(held.key, entry_to_row(&new).as_slice())?;
        }
    }
    state.waiting.deferred_until = i64::from(state.waiting.deferred > 0);
    Ok(())
}

fn count(state: &mut StoreState, key: &[u8], old: Option<&OpenFinding>, new: &OpenFinding) {
    let untold = |entry: &OpenFinding| u64::from(!entry.raised || !entry.current || entry.gone);
    state.ledger.untold = state.ledger.untold.saturating_sub(old.map_or(0, untold));
    state.ledger.untold = state.ledger.untold.saturating_add(untold(new));
    if old.is_none() {
        state.ledger.open = state.ledger.open.saturating_add(1);
        state.ledger.ledger_bytes = state.ledger.ledger_bytes.saturating_add(size_of_entry(key));
    }
}

/// A row of `held`.
struct DeferredV1<'a> {
    step: Step,
    first_seen: i64,
    last_seen: i64,
    key: &'a [u8],
    /// Of a deviation that was cleared: the entry that stood before.
    entry: Option<OpenFinding>,
    sample: u32,
    packed: &'a [u8],
}

impl<'a> DeferredV1<'a> {
    fn read(row: &'a [u8]) -> Option<DeferredV1<'a>> {
        let mut reader = RowReader(row);
        let [1, step, with_entry] = reader.array()? else {
            return None;
        };
        Some(DeferredV1 {
            step: codec::step_of(step)?,
            first_seen: reader.i64()?,
            last_seen: reader.i64()?,
            sample: u32::try_from(reader.u64()?).ok()?,
            key: reader.bytes()?,
            entry: match with_entry {
                0 => None,
                _ => Some(entry_from_row(reader.take(ENTRY)?)?),
            },
            packed: reader.rest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tables::Role;
    use super::*;
    use redb::ReadableTableMetadata;
    use redb::backends::InMemoryBackend;

    #[test]
    fn an_event_in_the_last_place_of_all_is_carried_over_once() {
        let memory = redb::Database::builder().create_with_backend(InMemoryBackend::new());
        let transaction = memory.expect("memory").begin_write().expect("begun");
        let row = Row {
            rank: 1,
            role: Role::Own,
            time: 1,
            sequence: 1,
            length: 1,
            key: b"",
            entry: None,
            other_chain: false,
            lost: false,
            sample: 1,
            packed: b"x",
        };
        let mut spool = transaction.open_table(SPOOL).expect("a table");
        for place in [7, u64::MAX] {
            spool.insert(place, &*row.write()).expect("inserted");
        }
        drop(spool);
        events(&transaction).expect("carried over");
        let eviction = transaction.open_table(EVICTION).expect("a table");
        assert_eq!(eviction.len().expect("a number"), 2);
    }
}
