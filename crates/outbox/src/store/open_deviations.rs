//! What stands open, for people who ask: row by row, so that a long list takes no memory.

use super::tables::{LEDGER, Result, SUPERSEDED, damaged, entry_from_row};
use crate::ledger::key;
use agent_core::finding::{Severity, Verdict};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError};
use std::ops::ControlFlow;

/// A deviation that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDeviation {
    /// How much it matters.
    pub severity: Severity,
    /// Its check.
    pub check: String,
    /// What it is about.
    pub subject: Vec<u8>,
    /// Whether it could not be judged, rather than failed.
    pub unknown: bool,
    /// When it was first found, in milliseconds since 1970.
    pub first_seen: i64,
}

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The ledger of one store, at one moment.
pub(super) struct Ledger {
    rows: Table,
    /// Keys of a ledger below this one that count no longer.
    superseded: Option<Table>,
}

impl Ledger {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Ledger> {
        let superseded = match transaction.open_table(SUPERSEDED) {
            Err(TableError::TableDoesNotExist(_)) => None,
            table => Some(table?),
        };
        Ok(Ledger {
            rows: transaction.open_table(LEDGER)?,
            superseded,
        })
    }

    pub(super) fn has_more_than(&self, rows: usize) -> Result<bool> {
        Ok(self.rows.len()? > rows as u64)
    }

    /// Whether what a ledger below has of that key counts no longer.
    fn speaks_for(&self, key: &[u8]) -> Result<bool> {
        let replaced = |table: &Table| table.get(key).map(|row| row.is_some());
        let superseded = self.superseded.as_ref().map(replaced).transpose()?;
        Ok(superseded == Some(true) || replaced(&self.rows)?)
    }

    /// Visits what stands of that severity among the first `most` rows, unless `above` speaks for it.
    pub(super) fn visit(
        &self,
        severity: Severity,
        most: usize,
        above: Option<&Ledger>,
        visit: &mut impl FnMut(OpenDeviation) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        for row in self.rows.iter()?.take(most) {
            let (key, row) = row?;
            let key = key.value();
            let entry = entry_from_row(row.value()).ok_or_else(|| damaged("ledger"))?;
            if entry.gone || entry.severity != severity {
                continue;
            }
            if above.map_or(Ok(false), |above| above.speaks_for(key))? {
                continue;
            }
            let (check, subject) = key::parts(key).ok_or_else(|| damaged("ledger"))?;
            let open = OpenDeviation {
                severity,
                check: check.to_owned(),
                subject,
                unknown: entry.verdict == Verdict::Unknown,
                first_seen: entry.first_seen,
            };
            if visit(open).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
